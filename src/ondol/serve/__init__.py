"""`ondol serve`: one model over HTTP, for clients of OpenAI, Ollama, and Text Embeddings Inference.

    endpoints   what a protocol offers: openai, ollama, tei, rerank, operations
        │
    service     the texts of a request to vectors: prompts, limits, a client that went away
        │
    batching    whose texts the engine gets next
        │
    Embedder    as everywhere else

Around them stand gate (who may ask, and how many at once) and access_log (one line and the
metrics of every request). `create_app` puts them together, `run_server` listens.
"""
