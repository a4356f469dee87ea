"""What people and programs see: results on standard output, everything else on standard error."""
