"""What a process needs as one task of a cluster: its server, its peers, and a watch over them."""
