"""The command line, one file for each subject. It does what HTTP does, by the same services, on the database itself."""
