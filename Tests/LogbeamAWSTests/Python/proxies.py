"""Says by which proxy botocore would go: a JSON array [ENVIRONMENT, URL] a line in, a JSON array or null a line out.

The answer is the URL of the proxy with its port, the user and the password.
"""

import json
import os
import sys

from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies
from urllib3.util import parse_url

for line in sys.stdin:
    environment, url = json.loads(line)
    os.environ.clear()
    os.environ.update(environment)
    configuration = ProxyConfiguration(get_environ_proxies(url))
    proxy = configuration.proxy_url_for(url)
    if proxy is None:
        print("null")
        continue
    parsed = parse_url(proxy)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    user, password = configuration._get_auth_from_url(proxy)
    print(json.dumps([f"{parsed.scheme}://{parsed.host}:{port}", user, password]))
