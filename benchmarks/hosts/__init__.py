"""Several hosts on one machine, in network namespaces, and what happens when one is lost or upgraded."""
