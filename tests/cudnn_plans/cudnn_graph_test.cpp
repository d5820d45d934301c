// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/element.hpp"
#include "core/error.hpp"
#include "kernels/attention/cudnn_graph.hpp"
#include "kernels/attention/cudnn_library.hpp"
#include "tests/cudnn_plans/described_graph.hpp"
#include "tests/cudnn_plans/device_properties.hpp"

// The graph that moecal hands to the real cuDNN, as cuDNN's own log tells it, computed here and
// held against the oracle: layouts, shared heads and the mask are those that are asked for. The
// scale's value is no part of a graph, and is not seen.
namespace moecal::kernels {
namespace {

/// cuDNN reads where to write its log when it is loaded.
class GraphForCudnn : public testing::TestWithParam<AttentionShape> {
 protected:
  static void SetUpTestSuite() {
    log_ = std::filesystem::temp_directory_path() /
           ("moecal_cudnn_graph_" + std::to_string(getpid()) + ".log");
    setenv("CUDNN_LOGLEVEL_DBG", "3", 1);
    setenv("CUDNN_LOGDEST_DBG", log_.c_str(), 1);
    if (dlopen(MOECAL_FAKE_DRIVER, RTLD_NOW | RTLD_GLOBAL) == nullptr) throw Error{dlerror()};
  }
  static void TearDownTestSuite() { std::filesystem::remove(log_); }
  void SetUp() override {
    try {
      (void)load_cudnn();
    } catch (const Unsupported& reason) {
      GTEST_SKIP() << reason.what();
    }
  }
  static nlohmann::json described(const AttentionShape& shape) {
    const auto planner =
        make_cudnn_planner({tests::kH100.capability, tests::device_properties(tests::kH100)}, 1);
    (void)planner->graph_of(shape);
    std::stringstream text;
    text << std::ifstream{log_}.rdbuf();
    return tests::last_graph_of(text.str());
  }

 private:
  static inline std::filesystem::path log_;
};

/// Elements of an operand by their place in memory.
std::function<double(std::int64_t)> elements_of(Dtype type, const PeriodicBytes& operand) {
  return [type, &operand](std::int64_t place) {
    std::vector<std::byte> element(static_cast<std::size_t>(size_of(type)));
    operand.copy(static_cast<std::size_t>(place) * element.size(), element);
    return decode_element(type, element.data());
  };
}

TEST_P(GraphForCudnn, ComputesWhatTheOracleDoes) {
  const auto& shape = GetParam();
  const auto graph = described(shape);
  if (graph.is_null()) GTEST_SKIP() << "this cuDNN's log does not tell its graphs";
  const auto operands = make_attention_operands(shape, 3);
  std::map<std::string, std::function<double(std::int64_t)>> given{
      {"1", elements_of(shape.type, operands.queries)},
      {"2", elements_of(shape.type, operands.keys)},
      {"3", elements_of(shape.type, operands.values)}};
  const double scale = 1 / std::sqrt(static_cast<double>(shape.head_size));
  for (const auto& tensor : graph.at("tensors"))
    if (tensor.at("isByValue"))  // the first is the scale, another what a hidden score becomes
      given[tensor.at("name")] = [value = given.size() == 3 ? scale : -1e30](std::int64_t) {
        return value;
      };
  const auto result = tests::computed(graph, given).at("4");
  std::vector<std::byte> bytes(operands.queries.size());
  const auto places = result.places();
  for (std::size_t i = 0; i < places.size(); ++i)
    encode_element(shape.type, result.values[i],
                   &bytes.at(static_cast<std::size_t>(places[i] * size_of(shape.type))));
  const auto checked = check_attention(shape, operands, bytes);
  EXPECT_LE(checked.max_rel_error, checked.tolerance);
  EXPECT_EQ(given.size(), shape.causal ? 5U : 4U);
}

INSTANTIATE_TEST_SUITE_P(Shapes, GraphForCudnn,
                         testing::Values(AttentionShape{2, 33, 4, 2, 16, true, Dtype::bf16},
                                         AttentionShape{1, 40, 6, 2, 8, false, Dtype::f16},
                                         AttentionShape{3, 17, 2, 2, 32, true, Dtype::f16},
                                         AttentionShape{2, 24, 4, 1, 64, false, Dtype::bf16}));

}  // namespace
}  // namespace moecal::kernels
