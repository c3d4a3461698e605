"""Code shared by the SQL engines: rows, named statements, transactions, listings, migrations."""
