"""The messages that TensorBoard's HParams page is made of.

One names the columns, once for the whole search: a table that TensorBoard makes of the trials alone has no column for
what none of them has yet. The others say of a trial which values it has, and how it ended; TensorBoard takes the first
one of a kind that it finds, so what they say must not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2

from search_spaces.parameters import Parameter, Value

_TYPES = {bool: api_pb2.DATA_TYPE_BOOL, float: api_pb2.DATA_TYPE_FLOAT64, str: api_pb2.DATA_TYPE_STRING}


def columns(parameters: Sequence[Parameter], metrics: Sequence[tuple[str, str, str]]) -> Summary:
    """The table's columns. A metric is the last scalar that is written of it: subfolder of the trial's, tag, title.

    TensorBoard puts those that vary first, and ticks the first five of either kind.
    """
    experiment = api_pb2.Experiment(
        hparam_infos=[_column(parameter) for parameter in parameters],
        metric_infos=[summary_v2.Metric(tag, folder, title).as_proto() for folder, tag, title in metrics],
    )
    return _summary(metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment))


def _column(parameter: Parameter) -> api_pb2.HParamInfo:
    column = api_pb2.HParamInfo(name=parameter.name, type=_TYPES[parameter.kind], differs=parameter.varies)
    if parameter.values:
        column.domain_discrete.extend(parameter.values)
    elif parameter.bounds:
        column.domain_interval.min_value, column.domain_interval.max_value = parameter.bounds
    return column


def begun(name: str, values: Mapping[str, Value], at: float) -> Summary:
    """A row of the table, at seconds since 1970. What has no value leaves its cell empty."""
    row: Summary = summary_v2.hparams_pb(dict(values), trial_id=name, start_time_secs=at)
    return row


def ended(well: bool, at: float) -> Summary:
    """How the trial of the row ended, which one can filter by."""
    status = api_pb2.STATUS_SUCCESS if well else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=at)
    return _summary(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end))


def _summary(tag: str, content: plugin_data_pb2.HParamsPluginData) -> Summary:
    described = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)])
