"""The engines that ondol is compared with, one module each, and ondol as one more of them.

A module here imports nothing but the standard library and numpy at its top: compare.py reads it in
its own environment, worker.py and prepare.py run it in the peer's, which has no ondol. It has

    contenders(place)                    what it brings to the comparison; `place` is what
                                         make_peers.py wrote (or, for ondol and llama.cpp, a bundle)
    load(source, threads, **options)     a contender's `encode`, in the peer's environment
    prepare(checkpoint, out, texts)      if it has files to make: writes them, in that environment
"""
