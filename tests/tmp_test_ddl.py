def test_x():
    import os
    from tests.conftest import *
