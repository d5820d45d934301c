// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/group_donors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

namespace moecal::calibration {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// A machine's groups, and how much longer eight ranks take than a line in ranks says.
struct Machine {
  std::string name, dtype;
  std::vector<int> groups;
  double rate = 1;
  double eight = 1;
};

double seconds(const Machine& machine, int group, double bytes) {
  const double line = (5e-6 + 2e-6 * group + bytes / 100e9) / machine.rate;
  return group == 8 ? machine.eight * line : line;
}

ObservationFile file_of(const std::string& operation, const Machine& machine) {
  auto environment = synthetic::environment();
  environment.card = environment.system = machine.name;
  ObservationFile file{{environment}, {}};
  for (const int group : machine.groups) {
    const synthetic::Noise noise{.spread = 0.01, .seed = static_cast<unsigned>(group)};
    for (auto o : synthetic::curve(
             operation, group, 16, [&](double bytes) { return seconds(machine, group, bytes); },
             noise)) {
      o.dtypes.a = o.dtypes.b = o.dtypes.c = machine.dtype;
      o.environment_id = environment.id();
      file.observations.push_back(std::move(o));
    }
  }
  return file;
}

const Machine kMine{"mine", "bf16", {2, 4}};

/// `kMine` fitted beside the others.
Coefficients fit_beside(const std::string& operation, const std::vector<Machine>& others) {
  std::vector<ObservationFile> files{file_of(operation, kMine)};
  for (const auto& other : others) files.push_back(file_of(operation, other));
  return fit(files, {.card = "mine"}).coefficients;
}

Prediction eight_ranks(const std::string& operation, const std::vector<Machine>& others) {
  const auto coefficients = fit_beside(operation, others);
  Query query{.operation = operation, .dtype = "bf16", .point = {{"bytes", 1 << 16}}, .group = 8};
  return predict(coefficients, query).prediction.value();
}

double half_width(const Prediction& p) { return std::log(p.hi / p.seconds); }

std::vector<Machine> lenders(const std::string& dtype) {
  return {{"one", dtype, {2, 4, 8}, 0.7},
          {"two", dtype, {2, 4, 8}, 1.3},
          {"three", dtype, {2, 4, 8}, 1.0}};
}

TEST(GroupDonors, WhatOnlyMovesBytesIsLentInAnyDtype) {
  const double truth = seconds(kMine, 8, 1 << 16);
  for (const char* operation : {"all_gather", "all_to_all", "broadcast", "send_recv"})
    for (const char* dtype : {"bf16", "f16", "int8"}) {
      const auto p = eight_ranks(operation, lenders(dtype));
      EXPECT_NEAR(p.seconds, truth, 0.05 * truth) << operation << " " << dtype;
      EXPECT_LT(half_width(p), 0.5) << operation << " " << dtype;
      EXPECT_THAT(p.flags, Contains(HasSubstr("what other systems show")));
      EXPECT_THAT(p.flags, Not(Contains(HasSubstr("no other system"))));
    }
}

TEST(GroupDonors, SumsAreLentAmongTypesOfOneWidth) {
  for (const char* operation : {"all_reduce", "reduce_scatter"}) {
    EXPECT_LT(half_width(eight_ranks(operation, lenders("f16"))), 0.5);
    for (const char* dtype : {"int8", "f32"}) {
      const auto p = eight_ranks(operation, lenders(dtype));
      EXPECT_GT(half_width(p), 0.5) << "nothing was lent";
      EXPECT_THAT(
          p.flags,
          Contains(
              "no other system of the fit lent what can stand in over groups of 4, 8 in bf16 or "
              "a type that adds up like it: the interval is the wider for it"));
    }
  }
}

TEST(GroupDonors, AreOfTheNearestDtypeThatEachSystemHas) {
  auto others = lenders("bf16");
  for (auto other : lenders("int8")) {
    other.eight = 9;  // not to be listened to
    others.push_back(other);
  }
  const auto coefficients = fit_beside("all_gather", others);
  const auto joint = std::ranges::find(coefficients.models, "group_scaling", &Model::form);
  ASSERT_NE(joint, coefficients.models.end());
  ASSERT_EQ(joint->donor_ratios.size(), 1U);
  for (const auto& [size, ratio] : joint->donor_ratios[0].ratio) EXPECT_LT(ratio, 3) << size;
}

TEST(GroupDonors, DistancesByHand) {
  EXPECT_EQ(lending_distance("all_to_all", "bf16", "bf16"), 0);
  EXPECT_EQ(lending_distance("all_to_all", "bf16", "f16"), 1);
  EXPECT_EQ(lending_distance("all_to_all", "bf16", "int8"), 2);
  EXPECT_EQ(lending_distance("all_reduce", "bf16", "f16"), 1);
  EXPECT_EQ(lending_distance("all_reduce", "bf16", "int8"), std::nullopt);
  EXPECT_EQ(lending_distance("all_reduce", "f32", "int32"), std::nullopt);
  EXPECT_EQ(lending_distance("unheard_of", "bf16", "f32"), std::nullopt);
  EXPECT_EQ(lending_distance("all_gather", "bf16", ""), std::nullopt);
}

}  // namespace
}  // namespace moecal::calibration
