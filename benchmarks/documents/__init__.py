"""What stands in the tables of the documents, by document."""
