"""The layers, one file each, and their registry."""

from dlrun.activations import ACTIVATIONS
from dlrun.layers.activation import ACTIVATION_LAYERS, ActivationLayer
from dlrun.layers.add import Add, Average, Subtract
from dlrun.layers.average_pool1d import AveragePool1D
from dlrun.layers.average_pool2d import AveragePool2D
from dlrun.layers.base import Layer as Layer
from dlrun.layers.batch_normalization import BatchNormalization
from dlrun.layers.concatenate import Concatenate
from dlrun.layers.conv1d import Conv1D
from dlrun.layers.conv2d import Conv2D
from dlrun.layers.conv2d_transpose import Conv2DTranspose
from dlrun.layers.dense import Dense
from dlrun.layers.depthwise_conv2d import DepthwiseConv2D
from dlrun.layers.dot import Dot
from dlrun.layers.dropout import Dropout
from dlrun.layers.embedding import Embedding
from dlrun.layers.flatten import Flatten
from dlrun.layers.gaussian_noise import GaussianNoise
from dlrun.layers.global_average_pool1d import GlobalAveragePool1D
from dlrun.layers.global_average_pool2d import GlobalAveragePool2D
from dlrun.layers.global_max_pool1d import GlobalMaxPool1D
from dlrun.layers.global_max_pool2d import GlobalMaxPool2D
from dlrun.layers.gru import GRU
from dlrun.layers.l2_normalize import L2Normalize
from dlrun.layers.layer_normalization import LayerNormalization
from dlrun.layers.lstm import LSTM
from dlrun.layers.masking import Masking
from dlrun.layers.max_pool1d import MaxPool1D
from dlrun.layers.max_pool2d import MaxPool2D
from dlrun.layers.maximum import Maximum, Minimum
from dlrun.layers.multi_head_attention import MultiHeadAttention
from dlrun.layers.multiply import Multiply
from dlrun.layers.output_embedding import OutputEmbedding
from dlrun.layers.permute import Permute
from dlrun.layers.positional_embedding import PositionalEmbedding
from dlrun.layers.repeat_vector import RepeatVector
from dlrun.layers.reshape import Reshape
from dlrun.layers.rms_normalization import RMSNormalization
from dlrun.layers.shared import Shared
from dlrun.layers.simple_rnn import SimpleRNN
from dlrun.layers.spatial_dropout import SpatialDropout
from dlrun.layers.time_distributed import TimeDistributed
from dlrun.layers.transformer_decoder import TransformerDecoder
from dlrun.layers.transformer_encoder import TransformerEncoder
from dlrun.layers.up_sampling2d import UpSampling2D
from dlrun.layers.variational_sampling import VariationalSampling
from dlrun.layers.zero_padding2d import ZeroPadding2D
from dlrun.registry import Registry

LAYERS: Registry[Layer] = Registry(
    "layer",
    (
        *ACTIVATION_LAYERS,
        ActivationLayer,
        Add,
        Average,
        AveragePool1D,
        AveragePool2D,
        BatchNormalization,
        Concatenate,
        Conv1D,
        Conv2D,
        Conv2DTranspose,
        Dense,
        DepthwiseConv2D,
        Dot,
        Dropout,
        Embedding,
        Flatten,
        GRU,
        GaussianNoise,
        GlobalAveragePool1D,
        GlobalAveragePool2D,
        GlobalMaxPool1D,
        GlobalMaxPool2D,
        L2Normalize,
        LSTM,
        LayerNormalization,
        Masking,
        MaxPool1D,
        MaxPool2D,
        Maximum,
        Minimum,
        MultiHeadAttention,
        Multiply,
        OutputEmbedding,
        Permute,
        PositionalEmbedding,
        RMSNormalization,
        RepeatVector,
        Reshape,
        Shared,
        SimpleRNN,
        SpatialDropout,
        Subtract,
        TimeDistributed,
        TransformerDecoder,
        TransformerEncoder,
        UpSampling2D,
        VariationalSampling,
        ZeroPadding2D,
    ),
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
)
