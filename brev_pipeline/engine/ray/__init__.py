"""The engine of many machines: the same tasks as on one, on a Ray cluster.

`RayEngine` is all that the rest of the package needs. Ray itself is imported inside functions: it costs two seconds,
and only those pay who use it.
"""
