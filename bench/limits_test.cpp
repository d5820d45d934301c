// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"

namespace moecal::bench {
namespace {

using ::testing::HasSubstr;

Card known_card() {
  Card card;
  card.peak["bf16"] = {FlopsPerSecond{1e12}, "test"};
  card.memory_bandwidth = Nominal<BytesPerSecond>{BytesPerSecond{1e9}, "test"};
  return card;
}

Observation result(double flops, double bytes, double seconds) {
  Observation o;
  o.operation = "expert_gemm";
  o.implementation = "own";
  o.point = {{"m", 64}, {"n", 32}};
  o.dtypes.a = "bf16";
  o.work.flops = Flops{flops};
  o.work.read = Bytes{bytes};
  o.samples_s = {seconds};
  return o;
}

std::string why_impossible(const Observation& observation) {
  try {
    check_possible(result_of(observation), known_card(), Bytes{100});
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Limits, RefusesWhatTheCardCannotDo) {
  EXPECT_EQ(why_impossible(result(1.01e12, 0, 1)), "");
  EXPECT_EQ(why_impossible(result(1.03e12, 0, 1)),
            "impossible result of expert_gemm/own/m:64/n:32: 1.03 TFLOP/s is over the card's dense "
            "bf16 peak of 1 TFLOP/s; the clock or the counted work is wrong");
  EXPECT_EQ(why_impossible(result(0, 1.01e9, 1)), "");
  EXPECT_THAT(why_impossible(result(0, 1.03e9, 1)), HasSubstr("memory bandwidth"));
  EXPECT_EQ(why_impossible(result(0, 399, 1e-9)), "");  // what stays in the cache is not limited
  auto other = result(1e15, 0, 1);
  other.dtypes.a = "f32";  // no figure known: no limit
  EXPECT_EQ(why_impossible(other), "");
}

TEST(Limits, TellsADevicesMemoryFromTheHosts) {
  const auto why = [](MemoryOf of) {
    try {
      check_memory(Bytes{600.0 * (1 << 20)}, Bytes{1 << 30}, of);
      return std::string{};
    } catch (const Unsupported& skipped) {
      return std::string{skipped.what()};
    }
  };
  EXPECT_EQ(why(MemoryOf::device),
            "its buffers take 0.586 GiB, over half of the device's memory (1 GiB)");
  EXPECT_THAT(why(MemoryOf::host), HasSubstr("MOECAL_HOST_MEMORY=BYTES"));
  EXPECT_NO_THROW(check_memory(Bytes{500}, Bytes{1000}, MemoryOf::device));
}

TEST(Limits, EstimatesLongCallsFromLongCallsOnly) {
  CallEstimate estimate;
  const auto huge = result(1e12, 0, 1);
  estimate.learn(result(1e6, 0, 1e-3));  // overhead: says nothing
  EXPECT_NO_THROW(estimate.check(huge, Seconds{2}));
  estimate.learn(result(1e10, 0, 0.1));  // 1e11 FLOP/s: ten seconds
  try {
    estimate.check(huge, Seconds{2});
    FAIL() << "a call of ten seconds was allowed";
  } catch (const Unsupported& error) {
    EXPECT_STREQ(
        error.what(),
        "one call is estimated to take 10 s, from the best rate of this run; points over 2 "
        "s a call are skipped");
  }
  estimate.learn(result(1e10, 0, 0.01));
  EXPECT_NO_THROW(estimate.check(huge, Seconds{2}));
}

}  // namespace
}  // namespace moecal::bench
