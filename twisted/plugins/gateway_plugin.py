"""`twistd gateway`."""

from twisted.application.service import ServiceMaker

gateway = ServiceMaker(
    "event gateway",
    "gateway.tap",
    "Remote syslog becomes events, rules match them, local processes run.",
    "gateway",
)
