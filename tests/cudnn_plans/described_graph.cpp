// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/cudnn_plans/described_graph.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "core/error.hpp"

namespace moecal::tests {
namespace {

using Index = std::vector<std::int64_t>;
using Tensors = std::map<std::string, DescribedTensor>;

std::size_t elements(const Index& dim) {
  std::size_t count = 1;
  for (const auto each : dim) count *= static_cast<std::size_t>(each);
  return count;
}

/// The last dimension goes fastest.
template <class Function>
void for_each_index(const Index& dim, Function function) {
  Index index(dim.size(), 0);
  for (std::size_t flat = 0; flat < elements(dim); ++flat) {
    function(index, flat);
    for (std::size_t d = dim.size(); d-- > 0;) {
      if (++index[d] < dim[d]) break;
      index[d] = 0;
    }
  }
}

using Pointwise = std::function<double(double x, double b, double t)>;
const Pointwise& pointwise(const std::string& mode) {
  static const std::map<std::string, Pointwise> kModes{
      {"MUL", [](double x, double b, double) { return x * b; }},
      {"ADD", [](double x, double b, double) { return x + b; }},
      {"SUB", [](double x, double b, double) { return x - b; }},
      {"DIV", [](double x, double b, double) { return x / b; }},
      {"EXP", [](double x, double, double) { return std::exp(x); }},
      {"LOG", [](double x, double, double) { return std::log(x); }},
      {"CMP_GE", [](double x, double b, double) { return x >= b ? 1.0 : 0.0; }},
      {"BINARY_SELECT", [](double x, double b, double t) { return t != 0 ? x : b; }}};
  const auto found = kModes.find(mode);
  if (found == kModes.end()) throw Error{"a pointwise operation " + mode};
  return found->second;
}

void compute_pointwise(const nlohmann::json& node, Tensors& tensors) {
  auto& y = tensors.at(node.at("Y"));
  const auto mode =
      node.at("pointwiseMode").get<std::string>().substr(sizeof "CUDNN_POINTWISE_" - 1);
  for_each_index(y.dim, [&](const Index& index, std::size_t flat) {
    if (mode == "GEN_INDEX") {
      y.values[flat] = static_cast<double>(index[node.at("axis").get<std::size_t>()]);
      return;
    }
    const auto of = [&](const char* name) {
      return node.contains(name) ? tensors.at(node.at(name)).at(index, y.dim) : 0;
    };
    y.values[flat] = pointwise(mode)(of("X"), of("B"), of("T"));
  });
}

void compute_product(const nlohmann::json& node, Tensors& tensors) {
  const auto &a = tensors.at(node.at("matA")), &b = tensors.at(node.at("matB"));
  auto& c = tensors.at(node.at("matC"));
  const std::int64_t inner = a.dim[3];
  if (b.dim[2] != inner) throw Error{"a product of matrices that do not fit"};
  for_each_index(c.dim, [&](const Index& i, std::size_t flat) {
    double sum = 0;
    for (std::int64_t k = 0; k < inner; ++k)
      sum += a.at({i[0], i[1], i[2], k}, {c.dim[0], c.dim[1], c.dim[2], inner}) *
             b.at({i[0], i[1], k, i[3]}, {c.dim[0], c.dim[1], inner, c.dim[3]});
    c.values[flat] = sum;
  });
}

void compute_reduction(const nlohmann::json& node, Tensors& tensors) {
  const auto& x = tensors.at(node.at("X"));
  auto& y = tensors.at(node.at("Y"));
  const bool is_sum = node.at("reductionOp") == "CUDNN_REDUCE_TENSOR_ADD";
  if (!is_sum && node.at("reductionOp") != "CUDNN_REDUCE_TENSOR_MAX")
    throw Error{"a reduction " + node.at("reductionOp").get<std::string>()};
  std::fill(y.values.begin(), y.values.end(),
            is_sum ? 0 : -std::numeric_limits<double>::infinity());
  for_each_index(x.dim, [&](const Index& i, std::size_t flat) {
    const auto row = static_cast<std::size_t>((i[0] * y.dim[1] + i[1]) * y.dim[2] + i[2]);
    double& value = y.values[row];
    value = is_sum ? value + x.values[flat] : std::max(value, x.values[flat]);
  });
}

/// Of one query the probabilities of all keys.
std::vector<double> probabilities(const DescribedTensor& q, const DescribedTensor& k,
                                  const Index& query, double scale) {
  const std::int64_t keys = k.dim[2], size = q.dim[3];
  std::vector<double> values;
  double sum = 0;
  for (std::int64_t key = 0; key < keys; ++key) {
    double score = 0;
    for (std::int64_t e = 0; e < size; ++e)
      score += q.at({query[0], query[1], query[2], e}, q.dim) *
               k.at({query[0], query[1], key, e}, {q.dim[0], q.dim[1], keys, size});
    values.push_back(std::exp(scale * score));
    sum += values.back();
  }
  for (double& value : values) value /= sum;
  return values;
}

/// Attention as one operation, without a mask: it has names for what would hide keys.
void compute_attention(const nlohmann::json& node, Tensors& tensors) {
  for (const auto& [name, value] : node.items())
    if (name != "operation" && name != "scale" && name != "Q" && name != "K" && name != "V" &&
        name != "O")
      throw Error{"attention with " + name};
  const auto &q = tensors.at(node.at("Q")), &k = tensors.at(node.at("K"));
  const auto& v = tensors.at(node.at("V"));
  auto& o = tensors.at(node.at("O"));
  const double scale = tensors.at(node.at("scale")).values[0];
  for_each_index({o.dim[0], o.dim[1], o.dim[2]}, [&](const Index& query, std::size_t row) {
    const auto weights = probabilities(q, k, query, scale);
    for (std::int64_t e = 0; e < o.dim[3]; ++e) {
      double sum = 0;
      for (std::int64_t key = 0; key < v.dim[2]; ++key)
        sum += weights[static_cast<std::size_t>(key)] *
               v.at({query[0], query[1], key, e}, {o.dim[0], o.dim[1], v.dim[2], o.dim[3]});
      o.values[row * static_cast<std::size_t>(o.dim[3]) + static_cast<std::size_t>(e)] = sum;
    }
  });
}

}  // namespace

std::vector<std::int64_t> DescribedTensor::places() const {
  std::vector<std::int64_t> all;
  for_each_index(dim, [&](const Index& index, std::size_t) {
    std::int64_t place = 0;
    for (std::size_t d = 0; d < dim.size(); ++d) place += index[d] * stride[d];
    all.push_back(place);
  });
  return all;
}

double DescribedTensor::at(const Index& index, const Index& of) const {
  std::int64_t flat = 0;
  for (std::size_t d = 0; d < dim.size(); ++d)
    flat = flat * dim[d] + index[d] * dim[d] / of[d];  // neighbours share a head
  return values[static_cast<std::size_t>(flat)];
}

nlohmann::json last_graph_of(const std::string& log) {
  static const std::string kStart = "apiLog: type=json; val=";
  nlohmann::json last;
  std::istringstream lines{log};
  for (std::string line; std::getline(lines, line);) {
    const auto start = line.find(kStart), end = line.rfind(';');
    if (start == std::string::npos || end <= start + kStart.size()) continue;
    const auto from = start + kStart.size();
    const auto told = nlohmann::json::parse(line.substr(from, end - from), nullptr, false);
    if (told.is_object() && told.contains("operationGraph")) last = told.at("operationGraph");
  }
  return last;
}

Tensors computed(const nlohmann::json& graph,
                 const std::map<std::string, std::function<double(std::int64_t)>>& given) {
  Tensors tensors;
  for (const auto& each : graph.at("tensors")) {
    DescribedTensor tensor{each.at("dim"), each.at("stride"), {}};
    tensor.values.resize(elements(tensor.dim));
    const std::string name = each.at("name");
    if (const auto values = given.find(name); values != given.end()) {
      const auto places = tensor.places();
      std::transform(places.begin(), places.end(), tensor.values.begin(), values->second);
    }
    tensors[name] = std::move(tensor);
  }
  for (const auto& node : graph.at("nodes")) {
    const std::string operation = node.at("operation");
    if (operation.find("MATMUL") != std::string::npos)
      compute_product(node, tensors);
    else if (operation.find("POINTWISE") != std::string::npos)
      compute_pointwise(node, tensors);
    else if (operation.find("REDUCTION") != std::string::npos)
      compute_reduction(node, tensors);
    else if (operation.find("SDPA_FWD") != std::string::npos)
      compute_attention(node, tensors);
    else
      throw Error{"an operation " + operation};
  }
  return tensors;
}

}  // namespace moecal::tests
