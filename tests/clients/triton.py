"""Asks a job by the Open Inference Protocol, with Triton's own client: `python triton.py GRPC_HOST:PORT HTTP_HOST:PORT FILE...`.

The files are PNGs of 32x32 pixels. Prints one JSON object: what each way of asking answers.
"""
import json, sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from PIL import Image

grpc_address, http_address, *files = sys.argv[1:]
encoded = np.array([open(file, "rb").read() for file in files], dtype=np.object_)
planes = np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in files])


def ask(library, client, model, array, datatype, version="", **how):
    tensor = library.InferInput("image", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, **how)
    answer = client.infer(model, [tensor], model_version=version, request_id="7")
    classes = [name.decode() for name in answer.as_numpy("class")]
    response = answer.get_response()
    step = response["model_version"] if isinstance(response, dict) else response.model_version
    return {"classes": classes, "probabilities": answer.as_numpy("probabilities").tolist(), "version": step}


def refused(ask):
    try:
        ask()
    except Exception as error:
        return str(error)
    raise SystemExit("it was answered")


answers, told = {}, {}
for name, library, address in [("grpc", grpc, grpc_address), ("http", http, http_address)]:
    with library.InferenceServerClient(address) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("resnet20")
        server, metadata = client.get_server_metadata(), client.get_model_metadata("resnet20-pixels")
        if name == "http":
            versions, shape = metadata["versions"], metadata["inputs"][0]["shape"]
        else:
            versions, shape = list(metadata.versions), list(metadata.inputs[0].shape)
        told[name] = {"versions": versions, "shape": [int(size) for size in shape]}
        answers[f"{name} files"] = ask(library, client, "resnet20", encoded, "BYTES")
        answers[f"{name} pixels"] = ask(library, client, "resnet20-pixels", planes, "UINT8")
        answers[f"{name} version"] = ask(library, client, "resnet20", encoded, "BYTES", version=versions[0])
        if name == "http":
            answers["http json"] = ask(library, client, "resnet20-pixels", planes, "UINT8", binary_data=False)
        bad = np.array([b"no picture"], dtype=np.object_)
        told[name]["no picture"] = refused(lambda: ask(library, client, "resnet20", bad, "BYTES"))
        told[name]["no model"] = refused(lambda: ask(library, client, "resnet7", bad, "BYTES"))
        told[name]["no version"] = refused(lambda: ask(library, client, "resnet20", encoded, "BYTES", version="999999"))
print(json.dumps({"answers": answers, "told": told}))
