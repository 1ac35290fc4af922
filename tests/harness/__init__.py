"""What tests share: servers on free ports, requests, fitted and logged models, small searches."""
