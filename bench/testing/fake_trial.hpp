// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/benchmark.hpp"
#include "bench/testing/fake_time.hpp"

namespace moecal::bench {

/// A trial that lets a fake device's time pass instead of doing work.
class FakeTrial : public Trial {
 public:
  FakeTrial(FakeTime& time, const FakeDevice& device)
      : time_{time}, device_{device}, noise_{device.seed} {}

  void launch(int set, Stream) override {
    launched_sets.push_back(set);
    write(set);
    double cost = device_.median_s * (1 + device_.noise * noise_.normal());
    if (noise_.uniform() < device_.spike_chance) cost *= 5;
    if (launched_sets.size() == 1) cost += device_.cold_start_s;
    if (device_.warm_up_s > 0)
      cost += device_.median_s * std::exp(-time_.now_s / device_.warm_up_s);
    time_.now_s += cost;
  }
  [[nodiscard]] Bytes footprint() const override { return footprint_; }
  [[nodiscard]] Bytes host_memory() const override { return host_memory_; }
  void prepare(int sets) override {
    prepared_sets = sets;
    if (has_results) results.assign(static_cast<std::size_t>(sets), std::vector<std::byte>(20));
  }
  [[nodiscard]] std::span<std::byte> written(int set) override {
    if (results.empty()) return {};
    return results.at(shares_results ? 0 : static_cast<std::size_t>(set));
  }
  [[nodiscard]] VerificationResult verify() override { return verification; }
  [[nodiscard]] LibraryInfo library() const override { return {"fake", "1", "none", 0}; }
  [[nodiscard]] std::map<std::string, double> figures() const override { return own_figures; }
  [[nodiscard]] std::string filled_with() const override { return "nothing"; }
  [[nodiscard]] bool redraw(int set, std::int64_t draw) override {
    if (!routes) return false;
    drawn.emplace_back(set, draw);
    if (!results.empty())
      std::ranges::fill(written(set), std::byte{0xFF});  // as those that plan anew do
    return true;
  }
  [[nodiscard]] bool keeps_draws() const override { return keeps; }
  [[nodiscard]] ExchangedBytes exchanged() const override { return bytes_of_ranks; }
  [[nodiscard]] bool takes_part() const override { return participates; }

  std::vector<int> launched_sets;
  bool has_results = true;
  std::vector<std::vector<std::byte>> results;  // of each set
  bool writes_all_to_first = false;             // whatever set is launched on
  bool shares_results = false;                  // all sets have that of the first
  bool routes = false;
  bool keeps = false;
  ExchangedBytes bytes_of_ranks{};
  std::vector<std::pair<int, std::int64_t>> drawn;  // set, number of the draw
  int prepared_sets = 0;
  VerificationResult verification{0, 0, "full"};
  std::map<std::string, double> own_figures{};
  bool participates = true;
  Bytes footprint_{1024};
  Bytes host_memory_{0};

 protected:
  void write(int set) {
    if (results.empty()) return;
    const bool first = writes_all_to_first || shares_results;
    results.at(first ? 0 : static_cast<std::size_t>(set)).assign(20, std::byte{1});
  }

 private:
  FakeTime& time_;
  FakeDevice device_;
  FakeNoise noise_;
};

}  // namespace moecal::bench
