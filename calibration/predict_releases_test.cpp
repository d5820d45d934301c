// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "calibration/predict.hpp"
#include "calibration/releases.hpp"
#include "calibration/testing/line_models.hpp"

namespace moecal::calibration {
namespace {

using synthetic::ask;
using synthetic::joint_model;
using synthetic::line_model;
using synthetic::over;
using testing::Contains;
using testing::ElementsAre;

TEST(Predict, SaysThatTheNewestOfTwoReleasesAnswers) {
  const Coefficients c{"",
                       "",
                       {line_model("old", over(4, "f16", "2.9"), 1e-5),
                        line_model("new", over(4, "f16", "2.29"), 2e-5)}};
  const auto newest = predict(c, ask(4, 1024)).prediction.value();
  EXPECT_EQ(newest.model_id, "new");
  EXPECT_THAT(newest.flags, ElementsAre("release 2.29 of nccl answers, the newest of 2; the one "
                                        "before: 2.9"));
}

TEST(Predict, TakesTheNewestRelease) {
  const Coefficients c{"",
                       "",
                       {line_model("old", over(4, "f16", "2.9.1"), 1e-5),
                        line_model("new", over(4, "f16", "2.29.2"), 2e-5)}};
  EXPECT_EQ(predict(c, ask(4, 1024)).prediction->model_id, "new");
  EXPECT_LT(compare_releases("2.9", "2.29"), 0);
  EXPECT_GT(compare_releases("1.3.0", "1.3.0rc20"), 0);
  EXPECT_LT(compare_releases("2.29", "2.29.2"), 0);
  EXPECT_EQ(compare_releases("2.29.2", "2.29.2"), 0);
}

TEST(Predict, TakesAnUnknownReleaseForTheOldest) {
  for (const std::string unnamed : {"unknown", ""}) {
    EXPECT_LT(compare_releases(unnamed, "2.9"), 0);
    EXPECT_GT(compare_releases("2.9", unnamed), 0);
    EXPECT_EQ(compare_releases(unnamed, "unknown"), 0);
    const Coefficients c{"",
                         "",
                         {line_model("named", over(4, "f16", "2.29.2"), 1e-5),
                          line_model("unnamed", over(4, "f16", unnamed), 2e-5)}};
    EXPECT_EQ(predict(c, ask(4, 1024)).prediction->model_id, "named");
  }
}

/// Groups of 2 and 4 with two releases, of 8 with the older only, and joint models of both.
Coefficients two_releases() {
  Coefficients c;
  for (const std::string release : {"2.27", "2.29"}) {
    for (const int group : {2, 4, 8})
      if (group < 8 || release == "2.27")
        c.models.push_back(line_model(std::to_string(group) + "@" + release,
                                      over(group, "f16", release),
                                      (release == "2.27" ? 5e-5 : 1e-5) * (group - 1)));
    auto joint = joint_model();
    joint.id += "@" + release;
    joint.conditions.release = release;
    c.models.push_back(joint);
  }
  return c;
}

TEST(Predict, LeansOnNeighboursOfTheJointModelsOwnRelease) {
  const auto p = predict(two_releases(), ask(6, 1024)).prediction.value();
  EXPECT_EQ(p.model_id, "joint@2.29 + 2@2.29 + 4@2.29");
  EXPECT_NEAR(p.seconds, 5e-5 + 1.024e-7, 1e-9);
  EXPECT_THAT(p.flags, Contains("release 2.29 of nccl answers, the newest of 2; the one before: "
                                "2.27"));
  EXPECT_THAT(p.flags, Contains("left out: groups of 8 were measured, but with release 2.27"));
}

TEST(Predict, SaysThatANewerReleaseWasMeasuredOverOtherGroupsOnly) {
  const auto p = predict(two_releases(), ask(8, 1024)).prediction.value();
  EXPECT_EQ(p.model_id, "8@2.27");
  EXPECT_THAT(p.flags, ElementsAre("release 2.27 of nccl answers, though 2.29 is newer: with it "
                                   "only groups of 2, 4 were measured"));
}

TEST(Predict, SaysThatTheReleaseIsNotNamed) {
  for (const std::string release : {"", "unknown"}) {
    const Coefficients c{"",
                         "",
                         {line_model("4", over(4, "f16", "2.29"), 1e-5),
                          line_model("8", over(8, "f16", release), 2e-5)}};
    EXPECT_THAT(predict(c, ask(8, 1024)).prediction.value().flags,
                ElementsAre("a release of nccl that is not named answers; 2.29 was measured over "
                            "groups of 4"));
  }
}

TEST(Predict, ComparesReleasesWithinOneLibraryOnly) {
  auto nccl = line_model("nccl", over(4, "f16", "2.29.2"), 1e-5);
  auto outdated = line_model("outdated", over(4, "f16", "2.9"), 1e-7);
  auto mpi = line_model("mpi", over(4, "f16", "4.1.4"), 5e-5);
  mpi.conditions.implementation = "open_mpi";
  const Coefficients c{"", "", {mpi, outdated, nccl}};
  const auto p = predict(c, ask(4, 1024)).prediction.value();
  EXPECT_EQ(p.model_id, "nccl");  // 4.1.4 is no newer NCCL, and 2.9 is an older one
  EXPECT_THAT(p.flags,
              ElementsAre("release 2.29.2 of nccl answers, the newest of 2; the one before: 2.9",
                          "implementation nccl, the fastest here of: nccl, open_mpi"));
}
}  // namespace
}  // namespace moecal::calibration
