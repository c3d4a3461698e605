"""How people sign in: with a passphrase, by a link, through an OpenID Connect provider, or by a proxy in front."""
