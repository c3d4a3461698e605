"""What the SQL engines share: rows, named statements, transactions, listings, migrations."""
