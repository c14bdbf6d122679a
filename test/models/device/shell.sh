# The model device from a shell: nothing but echo and cat.
echo "LOAD_MODEL /models/resnet.tflite" > /dev/cerebro
cat /dev/cerebro
echo "resize size=32x32 method=area" > /sys/class/cerebro/cerebro0/preprocessing
echo "top-k k=2 labels=/models/labels.txt" > /sys/class/cerebro/cerebro0/postprocessing
echo "EXECUTE_MODEL /pictures/cat.png" > /dev/cerebro
cat /dev/cerebro
/bin/echo "EXECUTE_MODEL input_1=/pictures/horse.png" > /dev/cerebro
cat /dev/cerebro
echo "GET_RESULTS format=json" > /dev/cerebro
cat /dev/cerebro | head -c 20; echo
# A failed command leaves the session as it was.
echo "LOAD_MODEL /etc/hostname" > /dev/cerebro 2>/dev/null || echo "status $?"
cat /dev/cerebro
echo "LOAD_MODEL /nowhere" > /dev/cerebro 2>/dev/null || cat /dev/cerebro
echo "GET_RESULTS output=Identity format=npy" > /dev/cerebro
cat /dev/cerebro | head -c 6 | tail -c 5; echo
# Another script has a session of its own.
bash -c 'exec 3<>/dev/cerebro; echo "EXECUTE_MODEL [1]" >&3; cat <&3' 2>/dev/null
echo "nonsense" > /sys/class/cerebro/cerebro0/postprocessing || echo "refused"
cat /sys/class/cerebro/cerebro0/postprocessing /sys/class/cerebro/cerebro0/models
grep -E "loads|runs" /sys/class/cerebro/cerebro0/stats
