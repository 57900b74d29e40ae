"""Prints what botocore's rules say of each region of each partition: SERVICE REGION FIPS DUALSTACK PARTITION URL."""

import itertools

import botocore.loaders
from botocore.endpoint_provider import EndpointProvider

loader = botocore.loaders.Loader()
partitions = loader.load_data("partitions")
for service in "logs", "sts":
    provider = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
    for partition in partitions["partitions"]:
        for region, fips, dualstack in itertools.product(partition["regions"], (False, True), (False, True)):
            # What stands for services without regions; neither of the two is one.
            if region.endswith("-global"):
                continue
            parameters = {"Region": region, "UseFIPS": fips, "UseDualStack": dualstack}
            if service == "sts":
                parameters["UseGlobalEndpoint"] = False
            url = provider.resolve_endpoint(**parameters).url
            print(service, region, fips, dualstack, partition["id"], url)
