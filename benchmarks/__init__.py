"""What ``make bench`` measures: the loader beside the server's limit, and beside what people use instead."""
