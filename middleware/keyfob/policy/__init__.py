"""What a key may hold: permissions, key types, plans and address ranges."""
