"""What tests share: servers on free ports, requests, fitted and logged models, small searches."""

import pytest

pytest.register_assert_rewrite("harness.searches", "harness.servers")
