"""The layers, one file each, and their registry."""

from functools import partial

from dlrun.activations import ACTIVATIONS
from dlrun.layers.base import Layer as Layer
from dlrun.registry import Registry


def activation_layer(name: str) -> type[Layer]:
    """Return the layer class of an activation's name."""
    from dlrun.layers.activation import layer_of

    return layer_of(ACTIVATIONS[name])


LAYERS: Registry[Layer] = Registry(
    "layer",
    {
        **{name: partial(activation_layer, name) for name in ACTIVATIONS.names if name != "linear"},
        "activation": "activation:ActivationLayer",
        "add": "add:Add",
        "average": "add:Average",
        "average_pool1d": "average_pool1d:AveragePool1D",
        "average_pool2d": "average_pool2d:AveragePool2D",
        "batch_normalization": "batch_normalization:BatchNormalization",
        "concatenate": "concatenate:Concatenate",
        "conv1d": "conv1d:Conv1D",
        "conv2d": "conv2d:Conv2D",
        "conv2d_transpose": "conv2d_transpose:Conv2DTranspose",
        "dense": "dense:Dense",
        "depthwise_conv2d": "depthwise_conv2d:DepthwiseConv2D",
        "dot": "dot:Dot",
        "dropout": "dropout:Dropout",
        "embedding": "embedding:Embedding",
        "flatten": "flatten:Flatten",
        "gaussian_noise": "gaussian_noise:GaussianNoise",
        "global_average_pool1d": "global_average_pool1d:GlobalAveragePool1D",
        "global_average_pool2d": "global_average_pool2d:GlobalAveragePool2D",
        "global_max_pool1d": "global_max_pool1d:GlobalMaxPool1D",
        "global_max_pool2d": "global_max_pool2d:GlobalMaxPool2D",
        "gru": "gru:GRU",
        "l2_normalize": "l2_normalize:L2Normalize",
        "layer_normalization": "layer_normalization:LayerNormalization",
        "lstm": "lstm:LSTM",
        "masking": "masking:Masking",
        "max_pool1d": "max_pool1d:MaxPool1D",
        "max_pool2d": "max_pool2d:MaxPool2D",
        "maximum": "maximum:Maximum",
        "minimum": "maximum:Minimum",
        "multi_head_attention": "multi_head_attention:MultiHeadAttention",
        "multiply": "multiply:Multiply",
        "output_embedding": "output_embedding:OutputEmbedding",
        "permute": "permute:Permute",
        "positional_embedding": "positional_embedding:PositionalEmbedding",
        "repeat_vector": "repeat_vector:RepeatVector",
        "reshape": "reshape:Reshape",
        "rms_normalization": "rms_normalization:RMSNormalization",
        "shared": "shared:Shared",
        "simple_rnn": "simple_rnn:SimpleRNN",
        "spatial_dropout": "spatial_dropout:SpatialDropout",
        "subtract": "add:Subtract",
        "time_distributed": "time_distributed:TimeDistributed",
        "transformer_decoder": "transformer_decoder:TransformerDecoder",
        "transformer_encoder": "transformer_encoder:TransformerEncoder",
        "up_sampling2d": "up_sampling2d:UpSampling2D",
        "variational_sampling": "variational_sampling:VariationalSampling",
        "zero_padding2d": "zero_padding2d:ZeroPadding2D",
    },
    synonyms={
        **ACTIVATIONS.synonyms,
        "average_pooling1d": "average_pool1d",
        "average_pooling2d": "average_pool2d",
        "convolution1d": "conv1d",
        "convolution2d": "conv2d",
        "convolution2d_transpose": "conv2d_transpose",
        "global_average_pooling1d": "global_average_pool1d",
        "global_average_pooling2d": "global_average_pool2d",
        "global_max_pooling1d": "global_max_pool1d",
        "global_max_pooling2d": "global_max_pool2d",
        "max_pooling1d": "max_pool1d",
        "max_pooling2d": "max_pool2d",
        "position_embedding": "positional_embedding",
        "rms_norm": "rms_normalization",
        "spatial_dropout1d": "spatial_dropout",
        "spatial_dropout2d": "spatial_dropout",
        "tied_embedding": "output_embedding",
        "unit_normalization": "l2_normalize",
    },
    package=__name__,
)


def __getattr__(name: str) -> type[Layer]:
    return LAYERS.attribute(name)
