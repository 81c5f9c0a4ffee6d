"""The layouts of data sets on disk, and how their files are read and decoded."""
