"""The drop box: accounts, their folders, and what happens to a file once it is whole."""
