"""ondol in other libraries, a module for each: langchain, llama_index, haystack, chroma, lancedb,
txtai and mteb.

Every module needs its library and is imported by name; nothing is imported here.
"""
