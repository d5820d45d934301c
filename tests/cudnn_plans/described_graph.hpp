// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// A graph as cuDNN's log tells it, computed here: what moecal asks cuDNN for, without a GPU.
namespace moecal::tests {

/// Of four dimensions, as all of attention's are but a scalar.
struct DescribedTensor {
  std::vector<std::int64_t> dim, stride;
  std::vector<double> values;  // row-major, whatever the strides
  /// Where in memory each of the values is, in their order.
  [[nodiscard]] std::vector<std::int64_t> places() const;
  /// Dimensions of one element, and heads that are shared, stand for those of `dim`.
  [[nodiscard]] double at(const std::vector<std::int64_t>& index,
                          const std::vector<std::int64_t>& of) const;
};

/// The last whole graph of a log that CUDNN_LOGLEVEL_DBG=3 wrote; null if there is none.
[[nodiscard]] nlohmann::json last_graph_of(const std::string& log);

/// Tensors by cuDNN's name (their uid), those that the nodes compute filled in. The values of
/// `given` are read at a tensor's places; scalars are not in a log, and are given too.
/// @throws Error if there is an operation that attention does not need.
[[nodiscard]] std::map<std::string, DescribedTensor> computed(
    const nlohmann::json& graph,
    const std::map<std::string, std::function<double(std::int64_t place)>>& given);

}  // namespace moecal::tests
