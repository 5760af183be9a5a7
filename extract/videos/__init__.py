"""Videos of any kind to frames, in order.

``listing`` (with ``folder_walk``) finds the videos, ``part`` says what of a recording each one is.
``frame_source`` opens one: a ``frame_folder``, or a file, which ``pyav_file`` and ``packet_count``
look through and ``recording`` describes, for ``decord_frames`` or PyAV to decode. ``decoding``
gives its frames as events; ``decode_worker`` and ``decode_pool`` do so in processes of their own.
"""
