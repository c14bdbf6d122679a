# Integers, lists, dictionaries, strings, classes and big numbers.
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def moved(self, dx, dy):
        return Point(self.x + dx, self.y + dy)


def primes(limit):
    sieve = bytearray([1]) * limit
    for i in range(2, int(limit**0.5) + 1):
        if sieve[i]:
            sieve[i * i :: i] = bytes(len(range(i * i, limit, i)))
    return sum(sieve) - 2


counts = {}
for i in range(800000):
    key = f"k{i * 7919 % 1009}"
    counts[key] = counts.get(key, 0) + i
point = Point(0, 0)
for i in range(600000):
    point = point.moved(i & 3, -1)
ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
print(primes(1000000), ordered[0], point.x, point.y, pow(3, 20011) % 1000000007, len(str(7**5000)))
