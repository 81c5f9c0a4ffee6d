"""Tasks on which a search policy may fail, each small and known, and every policy on all of them."""
