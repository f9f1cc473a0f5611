"""Asks a running job how far it is and what is in pictures: `python client.py HOST:PORT PICTURE...`.

It needs `grpcio` and `grpcio-tools`. The .proto files are read from ../proto, so nothing has to be generated before.
"""
import pathlib
import sys

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "proto"))
training, training_calls = grpc.protos_and_services("coxswain/v1/training.proto")
inference, inference_calls = grpc.protos_and_services("coxswain/v1/inference.proto")

address, *pictures = sys.argv[1:]
with grpc.insecure_channel(address) as channel:
    run = training_calls.TrainingStub(channel).GetRun(training.GetRunRequest(), timeout=10)
    state = training.RunState.Name(run.state).removeprefix("RUN_STATE_").lower()
    done = run.epochs[-1].epoch + 1 if run.epochs else 0
    print(f"{run.id}: {state}, {done} epochs done, best accuracy {run.best_accuracy:.2%}")
    images = [inference.Image(file=pathlib.Path(picture).read_bytes()) for picture in pictures]
    request = inference.PredictRequest(images=images, model=inference.ModelSelector(best=inference.Choice()))
    answer = inference_calls.InferenceStub(channel).Predict(request, timeout=60)
    for picture, prediction in zip(pictures, answer.predictions):
        probability = prediction.probabilities[prediction.class_index]
        print(f"{picture}: {prediction.class_index} {getattr(prediction, 'class')} {probability:.1%} by {answer.checkpoint}")
