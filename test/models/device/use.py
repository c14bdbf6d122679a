# A program that uses the model device with nothing but reads, writes and poll.
import array
import json
import os
import select

device = open("/dev/cerebro", "r+b", buffering=0)
device.write(b"LOAD_MODEL /models/resnet.tflite\n")
print(device.read(4096).decode(), end="")
pixels = [[[[(x * 7 + y * 3 + c) % 256 for c in range(3)] for x in range(32)] for y in range(32)]]
device.write(b"EXECUTE_MODEL input_1=" + json.dumps(pixels).encode() + b"\n")
print(device.read(4096).decode(), end="")
device.write(b"GET_RESULTS format=json\n")
scores = json.loads(device.read(4096))["Identity"][0]
print(len(scores), round(sum(scores), 3))
try:
    device.write(b"LOAD_MODEL /missing\n")
except OSError as error:
    print(error.errno, error.strerror, device.read(4096).decode(), end="")
# The session is as it was.
device.write(b"GET_RESULTS format=raw\n")

print(max(array.array("f", device.read(4096))) == max(scores) or "close")
other = os.open("/dev/cerebro", os.O_RDWR | os.O_NONBLOCK)
print(os.write(other, b"LOAD_MODEL /models/resnet.tflite\n"))
poll = select.poll(); poll.register(other, select.POLLIN)
print(poll.poll(5000)[0][1] & select.POLLIN)
print(os.read(other, 4096).decode().splitlines()[0])
