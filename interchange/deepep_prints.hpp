// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string_view>

#include "interchange/moe_exchange.hpp"

/// What DeepEP's tests print, one class per test. Each takes a line if it is of its test, and
/// ignores it otherwise.
namespace moecal::interchange {

/// test_intranode and test_internode of release 1: a block per configuration, in which chunk sizes
/// are tried; the best of each sweep is a row. In all rows of a block the same tokens are sent, so
/// rate times time must come to the same rows.
class DeepepNormalPrints {
 public:
  void take_line(KernelCollector& collector, std::string_view line, int number);

 private:
  void take_best(KernelCollector& collector, std::string_view line, int number,
                 const Device& device);

  ExchangeShape shape_{};
  std::optional<RowsMoved> over_nvlink_, over_network_;
};

/// test_low_latency of release 1: every rank prints its own times, and none the shape.
class DeepepLowLatencyPrints {
 public:
  /// @param ranks one more than the highest rank that prints
  explicit DeepepLowLatencyPrints(int ranks) : ranks_{ranks} {}
  void take_line(KernelCollector& collector, std::string_view line, int number);

 private:
  void take_both(KernelCollector& collector, std::string_view line, int number,
                 const Device& device) const;

  int ranks_;
};

/// test_ep of release 2: the configuration once a node, then a line per rank and kernel.
class DeepepElasticPrints {
 public:
  void take_line(KernelCollector& collector, std::string_view line, int number);

 private:
  void take_setting(std::string_view line);
  void take_row(KernelCollector& collector, std::string_view line, int number,
                const Device& device);
  [[nodiscard]] Launch launch_of_file() const;

  ExchangeShape shape_{};
  int domains_ = 0, domain_ranks_ = 0, multiprocessors_ = 0;
  bool fp8_ = false;
  int biases_ = 0;
};

/// The highest N of "[rank N]" in the text plus one; 0 if there is none.
[[nodiscard]] int ranks_printing(std::string_view text);

}  // namespace moecal::interchange
