# Run the real SEC in virtual time: perl virtual_sec.pl SEC LOG OPTIONS...
#
# LOG holds lines "EPOCH TEXT", ordered by time. SEC is loaded as it is, and lives from the first epoch to the last; a
# line without text only lets time pass. What it takes for the wall clock is a number that moves on, second by second,
# only when all that belongs to the present second is done: SEC's own main loop then searches its lists for windows
# that ended (it does so once a second) before it is given the lines of the new second.
use strict;
use warnings;

my ($now, $sec, @lines);

BEGIN {
  ($sec, my $log) = splice(@ARGV, 0, 2);
  open(my $file, '<', $log) or die "$log: $!";
  @lines = map { /^(\d+)(?: (.*))?$/ ? [$1, $2] : die "$log: no epoch: $_" } <$file>;
  $now = @lines ? $lines[0][0] : 0;
  my $asked = 0;
  no warnings qw(once redefine);
  *CORE::GLOBAL::time = sub () {
    *main::read_line = \&next_line unless $asked++;    # SEC asks for the time first when all of it is compiled
    return $now;
  };
}

# In place of SEC's own, which polls its input files: set the first parameter to the next line of this second, undef
# when there is none; the second, the file's name, to true, lest the main loop sleeps.
sub next_line {
  $_[1] = 1;
  $_[0] = undef;
  while (@lines && $lines[0][0] == $now) {
    my $text = (shift @lines)->[1];
    next unless defined $text;
    $_[0] = $text;
    $_[1] = undef;
    return;
  }
  exit 0 unless @lines;
  ++$now;
}

do $sec;
die $@ if $@;
