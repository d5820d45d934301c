// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <utility>

#include "bench/testing/fake_trial.hpp"

namespace moecal::bench {

/// An operation of which a test decides what its trials do.
class FakeBenchmark : public Benchmark {
 public:
  using MakeTrial = std::function<std::unique_ptr<Trial>()>;
  explicit FakeBenchmark(MakeTrial make) : make_{std::move(make)} {}

  [[nodiscard]] std::string operation() const override { return operation_; }
  [[nodiscard]] std::vector<Case> sweep(Suite, const std::string&, int) const override {
    return {Case{}};
  }
  [[nodiscard]] Work work(const Case&) const override { return work_; }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    return {{"fake", "cpu"}};
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation&, const Case&,
                                                  Context&) const override {
    return make_();
  }

  std::string operation_ = "fake";
  Work work_;

 private:
  MakeTrial make_;
};

}  // namespace moecal::bench
