"""Writes the JAX programs of this folder: a jax.export artifact and its inputs and outputs for each.

Wants jax 0.10 (CPU) and numpy 2. Run in this folder: python make.py [name …]
bfloat16 arrays are kept as the 16 bits of each element.
"""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
from jax import export, lax

# Names of files without where they are.
jax.config.update("jax_hlo_source_file_canonicalization_regex", ".*/")

rng = np.random.default_rng(7)
programs = {}


def f32(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


def program(*args, symbolic=None, x64=False, platforms=None):
    """Declares a program with example arguments; `symbolic` gives their shapes for the export."""

    def declare(function):
        programs[function.__name__] = (function, args, symbolic, x64, platforms)
        return function

    return declare


mlp = {
    "hidden": {"kernel": f32(6, 16) * 0.4, "bias": f32(16)},
    "out": {"kernel": f32(16, 3) * 0.3, "bias": f32(3)},
}


def forward(params, x):
    h = jax.nn.gelu(x @ params["hidden"]["kernel"] + params["hidden"]["bias"])
    return h @ params["out"]["kernel"] + params["out"]["bias"]


@program(mlp, f32(5, 6), np.array([0, 2, 1, 1, 0], np.int32))
def mlp_gradient(params, x, labels):
    def loss(p):
        logits = jax.nn.log_softmax(forward(p, x))
        return -jnp.mean(jnp.take_along_axis(logits, labels[:, None], 1))

    return jax.value_and_grad(loss)(params)


@program(mlp, f32(4, 6), symbolic=[None, "b, 6"])
def mlp_batch(params, x):
    return {"logits": forward(params, x), "probabilities": jax.nn.softmax(forward(params, x))}


@program(f32(6, 4), f32(3, 4), symbolic=["2*b, 4", "b, 4"])
def symbolic_shapes(x, y):
    b = y.shape[0]
    z = x.reshape(b, 2, 4).sum(1) + y
    return jnp.concatenate([z, jnp.arange(b * 4, dtype=jnp.float32).reshape(b, 4)]), jnp.mean(x, 0), z[::-1, 1:]


@program(f32(2, 8, 8, 3), f32(3, 3, 3, 4), symbolic=["b, h, w, 3", "3, 3, 3, 4"])
def symbolic_convolution(x, kernel):
    y = lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(y).mean((1, 2))


@program(f32(5, 6), f32(2, 9, 8, 3), symbolic=["n, 6", "b, h, w, 3"])
def symbolic_windows(x, image):
    w, s = (1, 3, 2, 1), (1, 2, 2, 1)
    return (
        jnp.cumsum(x, 0),
        lax.cummax(x, 0),
        lax.reduce_window(image, -jnp.inf, lax.max, w, s, "SAME"),
        lax.reduce_window(image, 0.0, lax.add, w, s, "VALID"),
        jax.grad(lambda y: lax.reduce_window(y, 0.0, lax.add, w, s, "VALID").sum())(image),
    )


@program(f32(3, 10), np.array([3, 1, 4, 1, 5], np.int32), symbolic=["b, n", "m"])
def symbolic_order(x, i):
    return (
        jnp.sort(x, 1),
        jnp.argsort(x, 0),
        lax.top_k(x, 3),
        lax.top_k(x, x.shape[1] - 2),
        lax.approx_max_k(x, 2),
        x[:, i],
        x.at[:, i].add(1.0),
        jnp.take(x, i, axis=1, mode="clip"),
        jax.nn.one_hot(i, 6),
        jnp.pad(x, ((1, 0), (0, 2))),
        lax.dynamic_slice_in_dim(x, i[0] - 2, 2, 1),
        jnp.linspace(0, 1, x.shape[1]),
        jnp.tril(jnp.ones((x.shape[1], x.shape[1]))),
        jnp.roll(x, 1, 1),
    )


@program(f32(6, 3), np.uint32(3), symbolic=["n, 3", None])
def symbolic_loops(x, seed):
    key = jax.random.key(seed)
    noise = jax.random.normal(key, x.shape)
    carry, ys = lax.scan(lambda c, row: (c * 0.5 + row, c.sum()), jnp.zeros(3), x)
    total = lax.fori_loop(0, x.shape[0], lambda k, acc: acc + x[k], jnp.zeros(3))
    bits = lax.rng_bit_generator(jnp.arange(4, dtype=jnp.uint32), (x.shape[0], 2), jnp.uint32)[1]
    return noise, carry, ys, total, bits, jax.vmap(lambda r: r @ r)(x), jax.random.randint(key, x.shape, 0, 9)


@program(f32(2, 5, 8), np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32), f32(8, 24) * 0.3, symbolic=["b, t, 8", "b, t", None])
def symbolic_attention(x, mask, w):
    b, t, _ = x.shape
    q, k, v = jnp.split((x @ w).reshape(b, t, 3, 2, 4), 3, axis=2)
    q, k, v = (y.reshape(b, t, 2, 4).transpose(0, 2, 1, 3) for y in (q, k, v))
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / jnp.sqrt(4.0)
    scores = jnp.where(mask[:, None, None, :] > 0, scores, -1e9)
    y = jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(scores), v).transpose(0, 2, 1, 3).reshape(b, t, 8)
    pooled = (y * mask[..., None]).sum(1) / jnp.maximum(mask.sum(1, keepdims=True), 1)
    return y, pooled / jnp.linalg.norm(pooled, axis=-1, keepdims=True)


@program(f32(7, 4), f32(8, 4) * 0.5, f32(8, 8) * 0.5)
def scan(xs, w, u):
    def step(h, x):
        h = jnp.tanh(w @ x + u @ h)
        return h, h.sum()

    return lax.scan(step, jnp.zeros(8), xs)


@program(f32(5, 4), f32(5, 4))
def vmap(x, y):
    return jax.vmap(jnp.outer)(x, y), jax.vmap(jnp.dot, (0, None))(x, y[0])


@program(np.int32(27), np.float32(100.0))
def while_loop(n, x):
    collatz = lax.while_loop(
        lambda s: s[0] != 1, lambda s: (jnp.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0)
    )
    newton = lax.while_loop(lambda r: abs(r * r - x) > 1e-3, lambda r: 0.5 * (r + x / r), x)
    return collatz, newton


@program(f32(6, 6))
def fori(x):
    return lax.fori_loop(0, 5, lambda i, y: (y @ x) / (1 + jnp.abs(y).max()) + i, x)


@program(np.int32(1), f32(4))
def cond_and_switch(i, x):
    a = lax.cond(x.sum() > 0, lambda v: v * 2, lambda v: -v, x)
    b = lax.switch(i, [jnp.sin, jnp.cos, lambda v: v**2], x)
    c = lax.switch(i + 9, [jnp.sin, jnp.cos, lambda v: v**3], x)
    return a, b, c


@program(f32(3, 12), f32(4, 6, 8))
def fft(x, y):
    c = jnp.fft.fft(x)
    r = jnp.fft.rfft(x)
    return c, jnp.fft.ifft(c), r, jnp.fft.irfft(r, 12), jnp.fft.fft2(y), jnp.fft.rfftn(y), jnp.fft.irfftn(jnp.fft.rfftn(y))


@program(f32(15), f32(2, 7, 5))
def fft_odd_lengths(x, y):
    return jnp.fft.fft(x), jnp.fft.rfft(x), jnp.fft.irfft(jnp.fft.rfft(x), 15), jnp.fft.fftn(y)


@program(f32(4, 9), np.array([3, 1, 2, 1, 3, 0, 2, 1], np.int32))
def sorting(x, keys):
    order = jnp.argsort(keys, stable=True)
    return jnp.sort(x), jnp.argsort(x, -1), lax.top_k(x, 3), order, jnp.sort(x, 0, descending=True), jnp.median(x), jnp.unique(keys, size=4)


@program(np.uint32(42))
def threefry(seed):
    key = jax.random.key(seed)
    a, b, c, d = jax.random.split(key, 4)
    return (
        jax.random.uniform(a, (5, 3)),
        jax.random.normal(b, (7,)),
        jax.random.categorical(c, jnp.log(jnp.array([0.1, 0.2, 0.7])), shape=(11,)),
        jax.random.bernoulli(d, 0.3, (9,)),
        jax.random.randint(a, (6,), 0, 100),
        jax.random.permutation(b, 8),
        jax.random.bits(c, (4,), jnp.uint8),
    )


@program(np.array([1, 2, 3, 4], np.uint32), np.array([5, 6, 7, 8], np.uint32))
def philox(key, other):
    state, bits = lax.rng_bit_generator(key, (3, 5), jnp.uint32, algorithm=lax.RandomAlgorithm.RNG_PHILOX)
    state2, bits2 = lax.rng_bit_generator(other, (7,), jnp.uint32, algorithm=lax.RandomAlgorithm.RNG_THREE_FRY)
    state3, bits3 = lax.rng_bit_generator(key, (4,), jnp.uint16, algorithm=lax.RandomAlgorithm.RNG_PHILOX)
    return state, bits, state2, bits2, state3, bits3


spd = f32(5, 5)
spd = spd @ spd.T + 5 * np.eye(5, dtype=np.float32)


@program(spd, f32(5, 2), f32(2, 4, 4))
def cholesky_and_solve(a, b, batch):
    low = jnp.linalg.cholesky(a)
    return (
        low,
        jsp.linalg.solve_triangular(low, b, lower=True),
        jsp.linalg.solve_triangular(low, b, lower=True, trans=1),
        jsp.linalg.cho_solve((low, True), b),
        lax.linalg.triangular_solve(jnp.tril(batch) + 4 * jnp.eye(4), batch, left_side=False, lower=True),
    )


@program(f32(5, 5), f32(5, 2), f32(6, 4))
def linear_algebra(a, b, tall):
    q, r = jnp.linalg.qr(tall)
    lu, pivots, permutation = lax.linalg.lu(jnp.stack([a, a.T]))
    return (
        jnp.linalg.solve(a, b),
        jnp.linalg.det(a),
        jnp.linalg.inv(a),
        q,
        r,
        lu,
        pivots,
        permutation,
        tuple(jnp.linalg.slogdet(a)),
        jsp.linalg.expm(a / 4),
        tuple(jnp.linalg.qr(tall.T)),
    )


@program(f32(2, 6, 6), f32(3, 4, 7), f32(6, 2))
def spectra(a, wide, tall):
    symmetric = a + a.mT
    values = partial(jnp.linalg.svd, compute_uv=False)
    w, v = jnp.linalg.eigh(symmetric)
    rebuilt = (v * w[..., None, :]) @ v.mT
    return jnp.linalg.eigvalsh(symmetric), jnp.abs(v), rebuilt, values(wide), values(tall), jnp.linalg.norm(tall, 2), jnp.linalg.matrix_rank(tall)


@program(f32(5, 5), f32(6, 4))
def refused_decompositions(a, tall):
    """Singular vectors and eigenvalues of any matrix are library calls that are not built."""
    return tuple(jnp.linalg.eig(a)), tuple(jnp.linalg.svd(tall))


@program(f32(4, 6).astype(jnp.bfloat16), f32(6, 5).astype(jnp.bfloat16))
def bfloat16(x, y):
    z = x @ y
    return z, jax.nn.softmax(z), jnp.exp(x).sum(1), lax.dot(x, y, preferred_element_type=jnp.float32), x * 3 + 1


@program(f32(4, 6).astype(np.float16), f32(6, 5).astype(np.float16))
def float16(x, y):
    return x @ y, jnp.tanh(x), x.mean(0), jnp.sqrt(jnp.abs(x)), (x > 0).astype(jnp.float16)


@program(rng.standard_normal((4, 5)), np.array([2**40 + 3, -7, 11], np.int64), x64=True)
def double(x, n):
    return (
        jnp.exp(x) @ jnp.sin(x).T,
        n * n // 5,
        n % 7,
        jnp.cumsum(n),
        jsp.special.erf(x),
        jnp.linalg.norm(x),
        n.astype(jnp.float64) / 3,
        lax.population_count(n),
    )


@program((f32(4, 3) + 1j * f32(4, 3)).astype(np.complex64), f32(3, 2))
def complex_numbers(z, w):
    return z @ w, jnp.abs(z), jnp.angle(z), jnp.exp(z), z.conj().T, jnp.sqrt(z), jnp.log(z), z**2, 1 / z, jnp.sin(z)


@program(f32(2, 12, 3), f32(5, 3, 4))
def convolution_1d(x, k):
    same = lax.conv_general_dilated(x, k, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"))
    dilated = lax.conv_general_dilated(x, k, (2,), [(4, 4)], rhs_dilation=(2,), dimension_numbers=("NWC", "WIO", "NWC"))
    return same, dilated


@program(f32(2, 6, 9, 9), f32(8, 3, 3, 3), f32(6, 1, 3, 3), f32(6, 6, 3, 3))
def convolution_2d(x, grouped, depthwise, transposed):
    a = lax.conv_general_dilated(x, grouped, (1, 2), "SAME", feature_group_count=2)
    b = lax.conv_general_dilated(x, depthwise, (2, 2), "VALID", feature_group_count=6)
    c = lax.conv_transpose(x, transposed, (2, 2), "SAME", dimension_numbers=("NCHW", "IOHW", "NCHW"))
    d = lax.conv_general_dilated(x, transposed, (1, 1), [(2, 1), (0, 3)], lhs_dilation=(2, 1), rhs_dilation=(1, 2))
    return a, b, c, d


@program(f32(2, 6, 6, 3), f32(3, 3, 3, 4), f32(2, 6, 6, 4))
def convolution_gradient(x, k, g):
    f = lambda x, k: lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.vjp(f, x, k)[1](g)


@program(f32(6, 4), np.array([0, 2, 2, 5, -1, 9], np.int32), f32(6, 4))
def gather_and_scatter(x, i, u):
    return (
        x[i],
        x.at[i].add(u),
        x.at[i[:4]].set(u[:4]),
        x.at[i, i % 4].max(u[:, 0], mode="drop"),
        x.at[i].multiply(u),
        jnp.take(x, i, axis=0, mode="clip"),
        jnp.take_along_axis(x, jnp.abs(i[:, None]) % 4, 1),
        x[jnp.abs(i) % 6, jnp.abs(i) % 4],
        jax.ops.segment_sum(u, jnp.abs(i) % 6, 6),
    )


@program(f32(4, 8), np.arange(24, dtype=np.int32).reshape(4, 6))
def cumulative(x, n):
    return (
        jnp.cumsum(x, 1),
        jnp.cumprod(x, 0),
        lax.cummax(x, 1),
        lax.cummin(n, 0, reverse=True),
        lax.associative_scan(jnp.add, n),
        lax.cumlogsumexp(x, 1),
        jnp.diff(x),
    )


@program(f32(2, 3, 4), f32(4, 3, 5), f32(5))
def einsum(a, b, c):
    return jnp.einsum("bij,jik->bk", a, b), jnp.einsum("bij,jik,k->bi", a, b, c), jnp.einsum("bij->jb", a), jnp.tensordot(a, b, ((2, 1), (0, 1)))


@program(f32(5, 7), np.array([1, 3, 0, 6, 2], np.int32))
def normalisation(x, labels):
    hot = jax.nn.one_hot(labels, 7)
    norm = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return hot, jax.nn.softmax(x), jax.nn.log_softmax(x), jsp.special.logsumexp(x, 1), norm, jax.nn.standardize(x), jnp.std(x, 0)


attention = {n: f32(16, 16) * 0.3 for n in ["query", "key", "value", "out"]}


@program(attention, {"scale": f32(16), "bias": f32(16)}, f32(2, 5, 16))
def attention_block(weights, norm, x):
    mean = x.mean(-1, keepdims=True)
    h = (x - mean) * lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5) * norm["scale"] + norm["bias"]
    heads = lambda y: y.reshape(2, 5, 4, 4).transpose(0, 2, 1, 3)
    q, k, v = (heads(h @ weights[n]) for n in ("query", "key", "value"))
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2.0
    scores = jnp.where(jnp.tril(jnp.ones((5, 5), bool)), scores, -1e9)
    y = jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(scores), v)
    return x + y.transpose(0, 2, 1, 3).reshape(2, 5, 16) @ weights["out"]


@program(rng.integers(-128, 128, (4, 6)).astype(np.int8), rng.integers(-128, 128, (6, 5)).astype(np.int8))
def small_integers(x, y):
    return (
        lax.dot(x, y, preferred_element_type=jnp.int32),
        x * x,
        x.astype(jnp.int32) // 7,
        jnp.abs(x),
        x.astype(jnp.uint8) >> 1,
        jnp.clip(x, -5, 5),
        jnp.sum(x, dtype=jnp.int32),
    )


@program(f32(6, 7), f32(2, 3), np.int32(4), np.int32(9))
def dynamic_slices(x, u, i, j):
    return (
        lax.dynamic_update_slice(x, u, (i, j)),
        lax.dynamic_slice(x, (i, j), (3, 2)),
        lax.dynamic_index_in_dim(x, i, 1),
        jnp.roll(x, 2, 1),
        jnp.pad(x, ((1, 2), (0, 1)), constant_values=3),
        lax.pad(x, 0.5, ((1, -2, 2), (-1, 0, 1))),
        jnp.flip(x, 0),
    )


@program(f32(2, 9, 8, 3))
def pooling(x):
    w = (1, 3, 2, 1)
    s = (1, 2, 2, 1)
    return (
        lax.reduce_window(x, -jnp.inf, lax.max, w, s, "SAME"),
        lax.reduce_window(x, 0.0, lax.add, w, s, "VALID") / 6,
        lax.reduce_window(x, jnp.inf, lax.min, w, (1, 1, 1, 1), "SAME", window_dilation=(1, 2, 1, 1)),
        jax.grad(lambda y: lax.reduce_window(y, -jnp.inf, lax.max, w, s, "SAME").sum())(x),
    )


@program(np.linspace(0.05, 0.95, 24, dtype=np.float32), np.linspace(0.2, 7, 24, dtype=np.float32))
def special_functions(u, x):
    return (
        jsp.special.erfinv(2 * u - 1),
        jsp.special.gammaln(x),
        jsp.special.digamma(x),
        jsp.special.erf(x - 3),
        jsp.special.erfc(x - 3),
        jsp.special.i0e(x),
        jsp.special.i1e(x),
        jsp.special.zeta(x + 1, u),
        jsp.special.polygamma(1, x),
        jsp.special.expit(x - 3),
        jsp.special.ndtr(x - 3),
        jsp.special.gammainc(x, u * 5),
        jsp.special.betainc(x, u + 1, u),
    )


@program(np.array([0, 1, 0x80000000, 0xDEADBEEF, 0xFFFFFFFF, 12345], np.uint32), np.array([3, 31, 1, 8, 0, 40], np.uint32))
def bits(x, n):
    return (
        x << n,
        x >> n,
        lax.population_count(x),
        lax.clz(x),
        lax.bitcast_convert_type(x, jnp.float32),
        lax.bitcast_convert_type(x, jnp.uint8),
        x * n + (x ^ n),
        ~x & n | x,
        lax.shift_right_arithmetic(x.astype(jnp.int32), n.astype(jnp.int32)),
    )


@program(f32(4, 5), f32(4, 5) * 3)
def elementwise(x, y):
    return (
        jnp.arctan2(x, y),
        jnp.sign(x) * jnp.floor(y) + jnp.ceil(x) + jnp.round(y),
        jnp.power(jnp.abs(x), y),
        jnp.fmod(y, 1.5),
        jnp.mod(y, -1.5),
        jnp.cbrt(y),
        jnp.expm1(x) + jnp.log1p(jnp.abs(y)),
        jnp.sinh(x) + jnp.cosh(x) + jnp.arcsinh(y) + jnp.arctan(x) + jnp.tan(x),
        jnp.nextafter(x, y),
        jnp.isfinite(y / 0 * x),
        jax.nn.silu(x) + jax.nn.softplus(y) + jax.nn.elu(x),
        jnp.hypot(x, y),
        lax.reduce_precision(x, 5, 10),
    )


@program(f32(3, 3), f32(3), platforms=["cuda", "cpu", "tpu"])
def several_platforms(x, y):
    return lax.platform_dependent(x, cpu=lambda v: v @ y, cuda=lambda v: v @ y * 2, default=lambda v: v @ y * 3)


@program(f32(4), f32(3, 3), np.int32(3))
def unused_arguments(x, unused, n):
    return {"answer": [x * 2, (n + 1,)]}


@program(f32(32, 2))
def custom_rules(x):
    """Composite and custom derivative rules, remat, jit within jit."""

    @jax.custom_jvp
    def clipped(v):
        return jnp.clip(v, -1, 1)

    clipped.defjvp(lambda p, t: (clipped(*p), t[0] * 0.5))
    inner = jax.jit(lambda v: jnp.where(v > 0, v, 0.1 * v))
    return jax.grad(lambda v: jax.checkpoint(lambda w: inner(clipped(w)).sum())(v))(x), jax.hessian(lambda v: (v**3).sum())(x[0])


also_as_hlo = set(
    "mlp_gradient scan while_loop cond_and_switch fft sorting threefry philox cholesky_and_solve double complex_numbers "
    "convolution_2d convolution_gradient gather_and_scatter cumulative small_integers dynamic_slices pooling bits "
    "elementwise bfloat16".split()
)


also_as_text = set("symbolic_shapes while_loop cond_and_switch philox convolution_1d pooling vmap small_integers".split())


def stored(array):
    array = np.asarray(array)
    return array.view(np.uint16) if array.dtype == jnp.bfloat16 else array


def make(name):
    function, args, symbolic, x64, platforms = programs[name]
    with jax.enable_x64(x64):
        shapes = [jax.tree.map(lambda a: jax.ShapeDtypeStruct(np.shape(a), np.asarray(a).dtype), a) for a in args]
        if symbolic:
            scope = export.SymbolicScope(["n >= 4"] if "n" in ",".join(filter(None, symbolic)) else [])
            for i, text in enumerate(symbolic):
                if text:
                    shapes[i] = jax.ShapeDtypeStruct(export.symbolic_shape(text, scope=scope), np.asarray(args[i]).dtype)
        exported = export.export(jax.jit(function), platforms=platforms)(*shapes)
        results = jax.tree.leaves(jax.jit(function)(*args))
        leaves = jax.tree.leaves((args, {}))
        inputs = {f"in_{n}": stored(leaves[i]) for n, i in enumerate(exported.module_kept_var_idx)}
        with open(f"{name}.jaxexport", "wb") as file:
            file.write(exported.serialize())
        if name in also_as_text:
            with open(f"{name}.mlir", "w") as file:
                file.write(exported.mlir_module())
            with open(f"{name}.mlirbc", "wb") as file:
                jax.jit(function).lower(*args).compiler_ir("stablehlo").operation.write_bytecode(file)
        if name in also_as_hlo:
            with open(f"{name}.hlo", "wb") as file:
                file.write(jax.jit(function).lower(*args).compiler_ir("hlo").as_serialized_hlo_module_proto())
        np.savez_compressed(f"{name}.npz", **inputs, **{f"out_{n}": stored(r) for n, r in enumerate(results)})


def modules():
    """The portable modules that make_tensorflow.py puts into a SavedModel, as jax2tf does."""
    (b,) = export.symbolic_shape("b")
    first = export.export(jax.jit(lambda w, x: (jnp.tanh(x @ w), jnp.cumsum(x, 1))))(
        jax.ShapeDtypeStruct((3, 4), jnp.float32), jax.ShapeDtypeStruct((b, 3), jnp.float32)
    )
    choose = lambda x: lax.platform_dependent(x, cpu=lambda v: v + 1, tpu=lambda v: v * 2)
    second = export.export(jax.jit(choose), platforms=["tpu", "cpu"])(jax.ShapeDtypeStruct((2, 4), jnp.float32))
    for name, exported in {"first": first, "second": second}.items():
        with open(f"xla_call/{name}.module", "wb") as file:
            file.write(exported.mlir_module_serialized)


if not sys.argv[1:]:
    modules()
for chosen in sys.argv[1:] or programs:
    try:
        make(chosen)
        print(chosen)
    except Exception as error:  # noqa: BLE001
        print("FAILED", chosen, type(error).__name__, str(error)[:300])
