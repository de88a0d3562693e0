"""The page of `ondol serve --ui`: search, the model's numbers, and how text is segmented.

    static      index.html, app.css and the scripts, as the browser gets them
    finding     what the search tab asks for: the index, and the passages that fit
    opening     its "open file", done by the desktop's own program
    model       what the model tab asks for: the manifest's table, and numbers of this machine
    measuring   `ondol bench` in a process of its own
    segments    what the segmentation tab asks for: pieces of a text, and what became of them
    protection  whose requests are answered, and what a browser may load

`page_routes` puts them together for `ondol.serve.app.create_app`. Nothing is loaded from elsewhere,
and texts are put into the page as text, never as HTML.
"""
