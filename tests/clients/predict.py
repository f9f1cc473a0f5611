"""Asks a running coordinator what pictures show: `python predict.py PROTO_DIR HOST:PORT FILE...`, one JSON object a line.

Stubs are made from the .proto files, as any client would. Reflection and health are asked first.
"""
import json, subprocess, sys, tempfile

import grpc

proto_dir, address, *files = sys.argv[1:]
stubs = tempfile.mkdtemp()
names = [f"coxswain/v1/{name}.proto" for name in ("training", "inference")]
subprocess.run(
    [sys.executable, "-m", "grpc_tools.protoc", f"-I{proto_dir}", f"--python_out={stubs}", f"--grpc_python_out={stubs}", *names],
    check=True,
)
sys.path.insert(0, stubs)
from coxswain.v1 import inference_pb2, inference_pb2_grpc, training_pb2, training_pb2_grpc

with grpc.insecure_channel(address) as channel:
    run = training_pb2_grpc.TrainingStub(channel).GetRun(training_pb2.GetRunRequest(), timeout=10)
    inference = inference_pb2_grpc.InferenceStub(channel)
    for file in files:
        with open(file, "rb") as picture:
            answer = inference.Predict(inference_pb2.PredictRequest(file=picture.read()), timeout=10)
        print(json.dumps({
            "run": run.id,
            "class": getattr(answer, "class"),
            "probabilities": list(answer.probabilities),
            "checkpoint": answer.checkpoint,
        }))
