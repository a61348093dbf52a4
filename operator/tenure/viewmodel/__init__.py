"""The pages of the commands and the console as plain data: a function for each page, without I/O and without markup."""
