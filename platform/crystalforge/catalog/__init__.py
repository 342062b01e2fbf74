"""The catalog: shards and manifests, what lies in a home, and safe SQL over all of it. The only room with DuckDB."""
