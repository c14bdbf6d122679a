"""One graph with an output for each of several hundred uses of operations: what make.py's ops() saves."""
import numpy as np
import tensorflow as tf
import golden

v1 = tf.compat.v1
R = tf.raw_ops


def build():
    """(graph definition, feeds name -> (array, seed), outputs name -> tensor name)."""
    outputs, feeds = {}, {}
    graph = tf.Graph()
    with graph.as_default():

        def place(name, shape, dtype=np.float32, seed=1, value=None):
            array = golden.fill(shape, dtype, seed) if value is None else np.array(value, dtype)
            feeds[name] = (array, seed if value is None else None)
            return v1.placeholder(tf.as_dtype(array.dtype), array.shape, name=name)

        a, b = place("a", [3, 4]), place("b", [3, 4], seed=5)
        p = place("p", [3, 4], value=np.abs(golden.fill([3, 4], np.float32, 2)) + 0.1)
        row = place("row", [4], seed=3)
        wide = place("wide", [3, 4], value=[[-9, -2.5, -1.5, -0.5], [0.0, 0.5, 1.5, 2.5], [3, 7.2, 100, -100]])
        strange = place("strange", [6], value=[np.inf, -np.inf, np.nan, 0.0, 1.0, -0.5])
        i, j = place("i", [3, 4], np.int32, 3), place("j", [3, 4], np.int32, value=[[1, -2, 3, -4], [5, -6, 7, 8], [9, -10, 11, 12]])
        n = place("n", [3, 4], np.int32, value=np.arange(12).reshape(3, 4) * 7 - 40)
        u = place("u", [3, 4], np.uint8, 9)
        long = place("long", [5], np.int64, 2)
        yes, no = place("yes", [3, 4], bool, 0), place("no", [3, 4], bool, 1)
        z, y = place("z", [2, 4], np.complex64, 1), place("y", [2, 4], np.complex64, 3)
        half = place("half", [5], np.float16, 1)
        double = place("double", [2, 3], np.float64, 4)
        cube = place("cube", [2, 3, 4], seed=6)
        image = place("image", [2, 6, 5, 4], seed=7)
        planes = tf.transpose(image, [0, 3, 1, 2])
        volume = place("volume", [1, 4, 5, 3, 2], seed=8)
        matrix = place("matrix", [2, 3, 3], value=golden.fill([2, 3, 3], np.float32, 2) + np.eye(3, dtype=np.float32) * 2)
        index = place("index", [2, 2], np.int32, value=[[0, 2], [1, 1]])
        at = place("at", [], np.int32, value=1)

        def add(name, value):
            values = value if isinstance(value, (list, tuple)) else [value]
            for k, v in enumerate(values):
                outputs[name if len(values) == 1 else f"{name}.{k}"] = v.name

        def konst(shape, seed=1, dtype=np.float32):
            return tf.constant(golden.fill(shape, dtype, seed))

        # Elements.
        for name in "Abs Acos Asin Asinh Atan Atanh BesselI1e Ceil Cos Cosh Digamma Elu Erf Erfc Erfinv Exp Expm1 Floor Inv IsFinite Lgamma Neg OnesLike Reciprocal Relu Relu6 Rint Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Square Tan Tanh ZerosLike".split():
            op = getattr(R, name)
            key = {"Elu": "features", "Relu": "features", "Relu6": "features", "Selu": "features", "Softplus": "features", "Softsign": "features"}.get(name, "x")
            add(name, op(**{key: a}))
        for name in "Ceil Floor Round Rint Sign Abs".split():
            add(name + "/wide", getattr(R, name)(x=wide))
        add("Relu6/wide", R.Relu6(features=wide))
        add("Elu/wide", R.Elu(features=wide))
        add("Selu/wide", R.Selu(features=wide))
        add("Softplus/wide", R.Softplus(features=wide))
        for name in "Log Log1p Sqrt Rsqrt Lgamma Digamma".split():
            add(name + "/positive", getattr(R, name)(x=p))
        add("Acosh", R.Acosh(x=p + 1))
        add("Ndtri", R.Ndtri(x=p * 0.5 + 0.2))
        for name in ("IsNan", "IsInf", "IsFinite"):
            add(name + "/strange", getattr(R, name)(x=strange))
        add("LeakyRelu", R.LeakyRelu(features=wide, alpha=0.3))
        add("Abs/int", R.Abs(x=j))
        add("Sign/int", R.Sign(x=j))
        add("Invert", R.Invert(x=j))
        add("PopulationCount", R.PopulationCount(x=j))
        add("LogicalNot", R.LogicalNot(x=yes))
        for name in "Add AddV2 Sub Mul RealDiv Div Maximum Minimum SquaredDifference Atan2 Equal NotEqual Less LessEqual Greater GreaterEqual DivNoNan MulNoNan FloorDiv FloorMod Mod TruncateMod Xdivy ApproximateEqual".split():
            op = getattr(R, name)
            x, y_ = ("y", "x") if name == "Atan2" else ("x", "y")
            add(name, op(**{x: a, y_: b}))
        add("Add/row", R.AddV2(x=a, y=row))
        add("NextAfter", R.NextAfter(x1=double, x2=double + 1))
        add("Pow", R.Pow(x=p, y=b))
        add("Xlogy", R.Xlogy(x=a, y=p))
        add("Xlog1py", R.Xlog1py(x=a, y=p))
        add("DivNoNan/zero", R.DivNoNan(x=a, y=tf.nn.relu(b)))
        add("MulNoNan/zero", R.MulNoNan(x=a, y=tf.nn.relu(b)))
        add("Zeta", R.Zeta(x=p + 1.5, q=p))
        add("Polygamma", R.Polygamma(a=tf.ones_like(p), x=p))
        for name in "FloorDiv FloorMod TruncateDiv TruncateMod Div Maximum Minimum Equal Less Pow".split():
            add(name + "/int", getattr(R, name)(x=n if name != "Pow" else tf.abs(j), y=j if name != "Pow" else tf.ones_like(j) * 2))
        for name in "BitwiseAnd BitwiseOr BitwiseXor".split():
            add(name, getattr(R, name)(x=i, y=j))
        add("LeftShift", R.LeftShift(x=j, y=tf.ones_like(j) * 3))
        add("RightShift", R.RightShift(x=j, y=tf.ones_like(j)))
        add("RightShift/u8", R.RightShift(x=u, y=tf.ones_like(u)))
        add("LogicalAnd", R.LogicalAnd(x=yes, y=no))
        add("LogicalOr", R.LogicalOr(x=yes, y=no))
        add("Select/rows", R.Select(condition=tf.constant([True, False, True]), x=a, y=b))
        add("SelectV2", R.SelectV2(condition=yes, t=a, e=row))
        add("ClipByValue", R.ClipByValue(t=wide, clip_value_min=-1.0, clip_value_max=2.0))
        add("AddN", R.AddN(inputs=[a, b, p]))
        add("Bucketize", R.Bucketize(input=wide, boundaries=[-2.0, 0.0, 3.0]))
        add("Cross", R.Cross(a=a[:, :3], b=b[:, :3]))
        add("Complex", R.Complex(real=a, imag=b))
        for name in "Real Imag ComplexAbs Angle Conj".split():
            add(name, getattr(R, name)(**{"x" if name == "ComplexAbs" else "input": z}))
        for name in ("Mul", "Sub", "RealDiv"):
            add(name + "/complex", getattr(R, name)(x=z, y=y))
        add("Exp/complex", R.Exp(x=z))
        add("Sqrt/complex", R.Sqrt(x=z))
        for to in (tf.int32, tf.float64, tf.float16, tf.bool, tf.uint8, tf.int64, tf.bfloat16):
            add("Cast/" + to.name, tf.cast(tf.cast(wide, to), tf.float32) if to == tf.bfloat16 else tf.cast(tf.abs(wide) if to == tf.uint8 else wide, to))
        add("Cast/u8", tf.cast(u, tf.float32))
        add("Mul/half", half * half + half)
        add("Exp/double", tf.exp(double))
        add("Mul/long", long * long)
        add("Bitcast", R.Bitcast(input=a, type=tf.int32))

        # Reductions.
        for name in "Sum Mean Prod Max Min EuclideanNorm".split():
            op = getattr(R, name)
            add(name, op(input=cube, axis=[1]))
            add(name + "/keep", op(input=cube, axis=[-1, 0], keep_dims=True))
        add("Sum/int", R.Sum(input=j, axis=[0]))
        add("Mean/int", R.Mean(input=j, axis=[0]))
        add("All", R.All(input=yes, axis=[1]))
        add("Any", R.Any(input=no, axis=[0]))
        add("ArgMax", R.ArgMax(input=cube, dimension=2))
        add("ArgMin", R.ArgMin(input=cube, dimension=-2, output_type=tf.int32))
        add("ArgMax/int", R.ArgMax(input=j, dimension=0))
        for exclusive in (False, True):
            for reverse in (False, True):
                key = f"/{'x' if exclusive else ''}{'r' if reverse else ''}"
                add("Cumsum" + key, R.Cumsum(x=cube, axis=2, exclusive=exclusive, reverse=reverse))
                add("Cumprod" + key, R.Cumprod(x=cube + 1, axis=1, exclusive=exclusive, reverse=reverse))
        add("CumulativeLogsumexp", R.CumulativeLogsumexp(x=a, axis=1))
        add("LogSumExp", tf.reduce_logsumexp(cube, 1))
        add("L2Loss", R.L2Loss(t=a))
        add("moments", tf.nn.moments(cube, [1]))
        add("norm", tf.norm(cube, axis=2))

        # Shapes.
        add("Shape", tf.shape(cube))
        add("Size", tf.size(cube))
        add("Rank", tf.rank(cube))
        add("Reshape", tf.reshape(cube, [4, -1]))
        add("Reshape/dynamic", tf.reshape(cube, tf.stack([tf.shape(cube)[0] * tf.shape(cube)[2], -1])))
        add("Squeeze", tf.squeeze(cube[:, :1, :, None], [1]))
        add("ExpandDims", tf.expand_dims(cube, -2))
        add("Slice", tf.slice(cube, [0, 1, 2], [-1, 2, 1]))
        add("Slice/dynamic", tf.slice(cube, tf.stack([0, at, at]), [2, 1, 3]))
        add("StridedSlice", cube[1, :, ::2])
        add("StridedSlice/back", cube[..., ::-1, 3:0:-2])
        add("StridedSlice/new", cube[:, tf.newaxis, 1:, ..., -2:])
        add("StridedSlice/at", cube[:, at])
        add("StridedSlice/window", cube[:, :, at : at + 2])
        add("StridedSlice/empty", cube[:, 3:])
        add("StridedSliceGrad", R.StridedSliceGrad(shape=[5, 6], begin=[0, 1], end=[3, 5], strides=[1, 1], dy=a))
        add("StridedSliceGrad/steps", R.StridedSliceGrad(shape=[6, 6], begin=[5, 0], end=[0, 4], strides=[-2, 1], dy=a))
        add("TensorStridedSliceUpdate", R.TensorStridedSliceUpdate(input=cube, begin=[0, 0, 1], end=[2, 3, 3], strides=[1, 1, 1], value=tf.ones([2, 3, 2])))
        add("Pack", tf.stack([a, b], 1))
        add("Unpack", tf.unstack(cube, axis=1))
        add("ConcatV2", tf.concat([a, b, p], -1))
        add("Split", tf.split(cube, 2, 2))
        add("SplitV", tf.split(cube, [1, -1], 1))
        add("Tile", tf.tile(a, [2, 3]))
        add("Fill", tf.fill([2, 3], a[0, 0]))
        add("Range", tf.cast(tf.range(2, 11, 3), tf.float32) * row[0])
        add("Range/float", tf.range(0.0, 1.0, 0.3) * row[0])
        add("LinSpace", tf.linspace(0.0, 2.0, 5) + row[0])
        add("BroadcastTo", tf.broadcast_to(row, [2, 3, 4]))
        add("Transpose", tf.transpose(cube, [2, 0, 1]))
        add("ConjugateTranspose", R.ConjugateTranspose(x=z, perm=[1, 0]))
        add("GatherV2", tf.gather(cube, index, axis=1))
        add("GatherV2/batch", tf.gather(cube, index, axis=1, batch_dims=1))
        add("GatherV2/last", tf.gather(cube, index, axis=2, batch_dims=1))
        add("Gather", R.Gather(params=a, indices=index))
        add("GatherNd", tf.gather_nd(cube, index))
        add("GatherNd/batch", tf.gather_nd(cube, index[:, :, None], batch_dims=1))
        add("ScatterNd", tf.scatter_nd([[0, 1], [2, 0], [0, 1]], row[:3], [3, 2]))
        for name in "Update Add Sub Max Min".split():
            add("TensorScatter" + name, getattr(R, "TensorScatter" + name)(tensor=a, indices=[[2], [0]], updates=b[:2]))
        add("SegmentSum", tf.math.segment_sum(a, [0, 0, 1]))
        for name in ("sum", "max", "min", "prod"):
            add("UnsortedSegment/" + name, getattr(tf.math, "unsorted_segment_" + name)(a, tf.constant([2, 0, 2]), 4))
        add("Pad", tf.pad(a, [[1, 2], [0, 3]]))
        add("PadV2", tf.pad(a, [[1, 0], [2, 1]], constant_values=7.0))
        add("MirrorPad/reflect", tf.pad(a, [[2, 1], [0, 3]], "REFLECT"))
        add("MirrorPad/symmetric", tf.pad(a, [[3, 1], [4, 2]], "SYMMETRIC"))
        add("ReverseV2", tf.reverse(cube, [0, 2]))
        add("ReverseSequence", tf.reverse_sequence(cube, tf.constant([2, 4, 1]), seq_axis=2, batch_axis=1))
        add("Roll", tf.roll(cube, [1, -2], [0, 2]))
        add("Where", tf.cast(tf.where(tf.constant([[True, False], [True, True]])), tf.float32) + row[0])
        add("OneHot", tf.one_hot(index, 4, on_value=2.0, off_value=-1.0, axis=1))
        add("OneHot/last", tf.one_hot(j, 12))
        add("TopKV2", tf.math.top_k(cube, 3))
        add("sort", tf.sort(cube, axis=1, direction="DESCENDING"))
        add("argsort", tf.argsort(cube, axis=-1))
        add("Unique", tf.cast(tf.unique([3, 1, 3, 2]).y, tf.float32) * row[0])
        add("searchsorted", tf.searchsorted(tf.constant([[0.0, 1.0, 2.0]]), row[None] * 3, side="right"))
        add("DynamicStitch", R.DynamicStitch(indices=[[2, 0], [1]], data=[a[:2], b[2:]]))
        add("SpaceToBatchND", R.SpaceToBatchND(input=image, block_shape=[2, 3], paddings=[[0, 0], [1, 0]]))
        add("BatchToSpaceND", R.BatchToSpaceND(input=tf.concat([image, image], 0), block_shape=[2, 2], crops=[[1, 0], [0, 2]]))
        add("SpaceToDepth", R.SpaceToDepth(input=image[:, :, :4], block_size=2))
        add("DepthToSpace", R.DepthToSpace(input=image, block_size=2))
        add("BroadcastGradientArgs", R.BroadcastGradientArgs(s0=tf.shape(cube), s1=tf.shape(row)))
        add("meshgrid", tf.meshgrid(row, row[:2]))
        add("ExtractImagePatches", tf.image.extract_patches(image, [1, 2, 3, 1], [1, 2, 1, 1], [1, 1, 2, 1], "SAME"))

        # Products.
        add("MatMul", tf.matmul(a, b, transpose_b=True))
        add("MatMul/a", tf.matmul(a, b, transpose_a=True))
        add("BatchMatMulV2", tf.matmul(cube, tf.reshape(cube, [2, 4, 3])))
        add("BatchMatMulV2/stretch", tf.matmul(cube[:, None], cube[None], adjoint_b=True))
        add("BatchMatMulV2/complex", tf.matmul(z, y, adjoint_b=True))
        for name, equation, operands in (
            ("plain", "ij,jk->ik", [a, tf.transpose(b)]),
            ("batch", "bij,bkj->bik", [cube, cube]),
            ("dots", "...ij,jk->...ik", [cube, tf.transpose(b)]),
            ("three", "ij,ij,kj->ik", [a, b, p]),
            ("diagonal", "bii->bi", [matrix]),
            ("trace", "bii->b", [matrix]),
            ("outer", "i,jk->kij", [row, a]),
            ("sum", "bij->j", [cube]),
            ("implied", "ij,jk", [a, tf.transpose(b)]),
            ("heads", "BTNH,BSNH->BNTS", [tf.reshape(image, [2, 6, 5, 4]), tf.reshape(image, [2, 6, 5, 4])]),
        ):
            add("Einsum/" + name, tf.einsum(equation, *operands))
        add("tensordot", tf.tensordot(cube, konst([4, 3, 2]), [[2, 1], [0, 1]]))

        # Networks.
        k = konst([3, 2, 4, 6])
        for padding in ("SAME", "VALID"):
            add("Conv2D/" + padding, tf.nn.conv2d(image, k, [1, 2, 1, 1], padding))
            add("MaxPool/" + padding, tf.nn.max_pool2d(image, [3, 2], [2, 1], padding))
            add("AvgPool/" + padding, tf.nn.avg_pool2d(image, [2, 3], [1, 2], padding))
            add("Conv3D/" + padding, tf.nn.conv3d(volume, konst([2, 3, 1, 2, 3]), [1, 2, 1, 1, 1], padding))
            add("MaxPool3D/" + padding, tf.nn.max_pool3d(volume, 2, 2, padding))
            add("AvgPool3D/" + padding, tf.nn.avg_pool3d(volume, [2, 3, 1], [1, 2, 1], padding))
            add("Depthwise/" + padding, tf.nn.depthwise_conv2d(image, konst([3, 3, 4, 2]), [1, 2, 2, 1], padding))
            add("Dilation2D/" + padding, tf.nn.dilation2d(image, konst([2, 3, 4]), [1, 1, 2, 1], padding, "NHWC", [1, 2, 1, 1]))
        add("Conv2D/explicit", tf.nn.conv2d(image, k, 1, [[0, 0], [2, 1], [0, 3], [0, 0]], dilations=[2, 1]))
        add("Conv2D/groups", tf.nn.conv2d(image, konst([2, 2, 2, 6]), 1, "SAME"))
        add("Depthwise/dilated", tf.nn.depthwise_conv2d(image, konst([2, 2, 4, 1]), [1, 1, 1, 1], "SAME", dilations=[2, 2]))
        add("atrous", tf.nn.atrous_conv2d(image, konst([2, 2, 4, 3]), 2, "SAME"))
        add("Conv2DBackpropInput/same", tf.nn.conv2d_transpose(image, konst([3, 4, 2, 4]), [2, 12, 10, 2], 2, "SAME"))
        add("Conv2DBackpropInput/valid", tf.nn.conv2d_transpose(image, konst([3, 2, 3, 4]), [2, 13, 14, 3], [2, 3], "VALID"))
        add("Conv3DBackpropInputV2", tf.nn.conv3d_transpose(volume, konst([2, 2, 2, 3, 2]), [1, 8, 10, 6, 3], 2, "SAME"))
        add("DepthwiseBackprop", tf.nn.depthwise_conv2d_backprop_input([2, 6, 5, 2], konst([3, 3, 2, 2]), image, [1, 1, 1, 1], "SAME"))
        add("MaxPoolWithArgmax", tf.nn.max_pool_with_argmax(image, 2, 2, "SAME"))
        add("BiasAdd", tf.nn.bias_add(image, row))
        add("BiasAdd/planes", tf.nn.bias_add(planes, row, "NCHW"))
        norm = [tf.abs(konst([4], s)) + 0.2 for s in range(4)]
        add("FusedBatchNormV3", R.FusedBatchNormV3(x=image, scale=norm[0], offset=norm[1], mean=norm[2], variance=norm[3], epsilon=1e-3, is_training=False)[0])
        add("FusedBatchNormV3/training", list(R.FusedBatchNormV3(x=image, scale=norm[0], offset=norm[1], mean=[], variance=[], epsilon=1e-3, is_training=True)[:3]))
        add("LRN", tf.nn.lrn(image, 2, 1.0, 0.5, 0.75))
        add("Softmax", tf.nn.softmax(cube))
        add("LogSoftmax", tf.nn.log_softmax(cube))
        add("CrossEntropy", tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(b), a))
        add("SparseCrossEntropy", tf.nn.sparse_softmax_cross_entropy_with_logits([1, 3, 0], a))
        cell = [konst([2, 3], s) for s in range(2)] + [konst([8, 12], 3)] + [konst([3], s) for s in range(3)] + [konst([12], 4)]
        x5 = tf.reshape(cube, [-1])[:10]
        x5 = tf.reshape(x5, [2, 5])
        for peephole in (False, True):
            add(
                f"LSTMBlockCell/{peephole}",
                list(R.LSTMBlockCell(x=x5, cs_prev=cell[0], h_prev=cell[1], w=cell[2], wci=cell[3], wcf=cell[4], wco=cell[5], b=cell[6], forget_bias=0.5, cell_clip=0.4, use_peephole=peephole)),
            )
        x6 = tf.stack([x5, x5 * 2, x5 - 1])
        state = dict(cs_prev=cell[0], h_prev=cell[1], w=cell[2], wci=cell[3], wcf=cell[4], wco=cell[5], b=cell[6])
        # Steps behind the length are not defined.
        add("BlockLSTM", [t[:2] for t in R.BlockLSTM(seq_len_max=tf.constant(2, tf.int64), x=x6, forget_bias=0.5, **state)])
        add("BlockLSTMV2", list(R.BlockLSTMV2(seq_len_max=tf.constant(3, tf.int64), x=x6, cell_clip=0.0, **state)))
        add("GRUBlockCell", list(R.GRUBlockCell(x=x5, h_prev=cell[1], w_ru=konst([8, 6]), w_c=konst([8, 3]), b_ru=konst([6]), b_c=konst([3]))))

        # Images.
        for half_pixel, aligned in ((True, False), (False, False), (False, True)):
            key = "half" if half_pixel else "aligned" if aligned else "plain"
            options = dict(images=image, size=[9, 3], align_corners=aligned, half_pixel_centers=half_pixel)
            add("ResizeBilinear/" + key, R.ResizeBilinear(**options))
            add("ResizeNearestNeighbor/" + key, R.ResizeNearestNeighbor(**options))
            add("ResizeBicubic/" + key, R.ResizeBicubic(**options))
        add("ResizeArea", R.ResizeArea(images=image, size=[4, 7]))
        boxes = place("boxes", [3, 4], value=[[0.1, 0.2, 0.8, 0.9], [0.0, 0.0, 1.2, 1.0], [0.9, 0.7, 0.3, 0.1]])
        for method in ("bilinear", "nearest"):
            add("CropAndResize/" + method, tf.image.crop_and_resize(image, boxes, [0, 1, 1], [4, 3], method, 0.25))
        corners = place("corners", [6, 4], value=[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]])
        scores = place("scores", [6], value=[0.9, 0.75, 0.6, 0.95, 0.5, 0.3])
        add("NonMaxSuppressionV3", tf.image.non_max_suppression(corners, scores, 3, 0.5))
        add("NonMaxSuppressionV4", list(R.NonMaxSuppressionV4(boxes=corners, scores=scores, max_output_size=8, iou_threshold=0.5, score_threshold=0.35, pad_to_max_output_size=True)))
        add("NonMaxSuppressionV5", list(R.NonMaxSuppressionV5(boxes=corners, scores=scores, max_output_size=6, iou_threshold=0.5, score_threshold=0.0, soft_nms_sigma=0.5, pad_to_max_output_size=True)))
        add("RGBToHSV", tf.image.rgb_to_hsv(tf.abs(image[..., :3])))
        add("HSVToRGB", tf.image.hsv_to_rgb(tf.abs(image[..., :3])))
        add("AdjustContrastv2", tf.image.adjust_contrast(image[..., :3], 0.4))

        # Signals and matrices.
        add("FFT", tf.signal.fft(z))
        add("IFFT2D", tf.signal.ifft2d(z))
        add("RFFT", tf.signal.rfft(a, [6]))
        add("RFFT/short", tf.signal.rfft(a, [3]))
        add("RFFT2D", tf.signal.rfft2d(cube))
        add("IRFFT", tf.signal.irfft(z, [6]))
        add("IRFFT/odd", tf.signal.irfft(z, [5]))
        add("MatrixBandPart", tf.linalg.band_part(cube, 1, 0))
        add("MatrixDiagV3", tf.linalg.diag(a))
        add("MatrixDiagV3/up", tf.linalg.diag(a, k=1))
        add("MatrixDiagV3/down", tf.linalg.diag(a, k=-1))
        add("MatrixDiagPartV3", tf.linalg.diag_part(cube))
        add("MatrixDiagPartV3/up", tf.linalg.diag_part(cube, k=1))
        add("MatrixDiagPartV3/down", tf.linalg.diag_part(cube, k=-1))
        add("MatrixSetDiagV3", tf.linalg.set_diag(cube, cube[:, 0, :3]))
        add("Diag", R.Diag(diagonal=row))
        add("DiagPart", R.DiagPart(input=matrix[0]))
        add("Cholesky", tf.linalg.cholesky(tf.matmul(matrix, matrix, transpose_b=True)))
        add("MatrixTriangularSolve", tf.linalg.triangular_solve(matrix, matrix, lower=True))
        add("MatrixTriangularSolve/adjoint", tf.linalg.triangular_solve(matrix, matrix, lower=False, adjoint=True))
        add("MatrixInverse", tf.linalg.inv(matrix))
        add("MatrixInverse/pivot", tf.linalg.inv(matrix[:, ::-1]))
        add("MatrixSolve", tf.linalg.solve(matrix, matrix[:, :, :2]))
        add("MatrixDeterminant", tf.linalg.det(matrix[:, ::-1]))

        # Random numbers with a seed.
        seed = place("seed", [2], np.int32, value=[7, 42])
        for alg in ("philox", "auto_select"):
            add("StatelessRandomUniformV2/" + alg, tf.random.stateless_uniform([3, 5], seed, alg=alg))
            add("StatelessRandomNormalV2/" + alg, tf.random.stateless_normal([7], seed, alg=alg))
        add("StatelessRandomUniformIntV2", tf.random.stateless_uniform([9], seed, -3, 100, tf.int32))
        add("StatelessRandomUniform", R.StatelessRandomUniform(shape=[6], seed=seed))

        # Quantisation.
        add("FakeQuantWithMinMaxArgs", tf.quantization.fake_quant_with_min_max_args(wide, -5.3, 6.1, 8))
        add("FakeQuantWithMinMaxVars", tf.quantization.fake_quant_with_min_max_vars(wide, -1.3, 2.2, 4, True))
        add("FakeQuantPerChannel", tf.quantization.fake_quant_with_min_max_vars_per_channel(wide, [-1.0, -2.0, 0.0, -4.0], [1.0, 3.0, 2.0, 9.0]))
        add("QuantizeAndDequantizeV2", tf.quantization.quantize_and_dequantize_v2(wide, -3.0, 5.0, range_given=True))
        add("QuantizeAndDequantizeV2/unsigned", tf.quantization.quantize_and_dequantize_v2(p, 0.0, 1.0, signed_input=False, range_given=True, round_mode="HALF_UP"))
        add("QuantizeAndDequantizeV2/free", tf.quantization.quantize_and_dequantize_v2(wide, 0.0, 0.0, num_bits=5))
        quantised, low, high = tf.quantization.quantize(a, -0.6, 0.7, tf.quint8)
        add("Dequantize", tf.quantization.dequantize(tf.bitcast(u, tf.quint8), -1.0, 2.0))
        add("UniformQuantize", tf.cast(tf.bitcast(R.UniformQuantize(input=a, scales=0.01, zero_points=3, Tout=tf.qint8, quantization_min_val=-128, quantization_max_val=127), tf.int8), tf.int32))

        # Further ones.
        for name in "SigmoidGrad TanhGrad SqrtGrad RsqrtGrad InvGrad ReciprocalGrad".split():
            add(name, getattr(R, name)(y=p, dy=b))
        for name in "EluGrad SeluGrad".split():
            add(name, getattr(R, name)(gradients=b, outputs=a))
        for name in "LeakyReluGrad Relu6Grad ReluGrad SoftplusGrad SoftsignGrad".split():
            add(name, getattr(R, name)(gradients=b, features=wide))
        add("BiasAddGrad", R.BiasAddGrad(out_backprop=image))
        add("InTopKV2", R.InTopKV2(predictions=a, targets=[1, 3, 0], k=2))
        for name in ("Mean", "Max", "Min", "Prod"):
            add("Segment" + name, getattr(R, "Segment" + name)(data=a, segment_ids=[0, 0, 1]))
        add("DenseBincount", R.DenseBincount(input=tf.abs(j), size=8, weights=tf.constant([], tf.float32)))
        add("DenseBincount/binary", R.DenseBincount(input=tf.abs(j), size=8, weights=tf.constant([], tf.int32), binary_output=True))
        add("Bincount", R.Bincount(arr=tf.abs(j), size=8, weights=a))
        add("UnravelIndex", R.UnravelIndex(indices=[5, 11, 0] + at * 0, dims=[3, 4]))
        add("DataFormatVecPermute", R.DataFormatVecPermute(x=[1, 2, 3, 4] + at * 0))
        add("NthElement", R.NthElement(input=cube, n=1))
        add("AdjustHue", tf.image.adjust_hue(tf.abs(image[..., :3]), 0.2))
        add("AdjustSaturation", tf.image.adjust_saturation(tf.abs(image[..., :3]), 1.7))
        both = tf.stack([corners[:, None] * 0.01, corners[::-1][:, None] * 0.01])
        marks = tf.stack([tf.stack([scores, scores[::-1] * 0.9, scores * 0.5], 1), tf.stack([scores * 0.7, scores * 0.11, scores[::-1]], 1)])
        turns = place("turns", [2, 8], value=[[0.9, 0.3, -1.2, -0.2, 1.1, 0.7, 0.001, 0.002], [1.3, 0, 2.5, 0, -1.2, 7.5, 0, 0]])
        for mode in ("CONSTANT", "REFLECT", "WRAP", "NEAREST"):
            for interpolation in ("BILINEAR", "NEAREST"):
                add(
                    f"ImageProjectiveTransformV3/{mode}.{interpolation}",
                    R.ImageProjectiveTransformV3(images=image, transforms=turns, output_shape=[7, 6], fill_value=0.3, interpolation=interpolation, fill_mode=mode),
                )
        for per_class in (False, True):
            add(
                f"CombinedNonMaxSuppression/{per_class}",
                list(R.CombinedNonMaxSuppression(boxes=both, scores=marks, max_output_size_per_class=2, max_total_size=9, iou_threshold=0.5, score_threshold=0.2, pad_per_class=per_class)),
            )
        definition = graph.as_graph_def()
    return definition, feeds, outputs
