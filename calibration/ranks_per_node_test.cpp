// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/fit.hpp"
#include "calibration/group_scaling.hpp"
#include "calibration/predict.hpp"
#include "calibration/testing/synthetic.hpp"

// Groups on other numbers of ranks a node than any that was measured: what a node's ranks cost
// between nodes is then not known, and the interval has to hold whatever machine it is.
namespace moecal::calibration {
namespace {

struct Group {
  int ranks, nodes;
};

/// A cluster of nodes of eight: times in us, rates in bytes per us.
struct Cluster {
  double base = 8, leaving = 0;       // latency inside a node, and what leaving it adds
  double rank = 1, rank_between = 1;  // of each further rank of a node, by tier
  double node = 5, rate = 250e3, between = 45e3;
  bool tree = false;       // latency grows with the logarithm of the nodes
  bool own_links = false;  // each rank of a node brings a link

  [[nodiscard]] double seconds(const Group& group, double bytes) const {
    const double a_node = static_cast<double>(group.ranks) / group.nodes;
    if (group.nodes == 1) return 1e-6 * (base + rank * (a_node - 1) + bytes / rate);
    const double hops = tree ? 2 * std::log2(group.nodes) : group.nodes - 1;
    const double links = own_links ? between * a_node / 8 : between;
    return 1e-6 * (base + leaving + rank_between * (a_node - 1) + node * hops + bytes / links);
  }
};

const std::vector<Group> kMeasured{{2, 1}, {4, 1}, {8, 1}, {16, 2}, {32, 4}, {64, 8}};

Coefficients fit_of(const Cluster& cluster, const std::vector<Group>& groups, unsigned seed) {
  std::vector<Observation> all;
  for (const auto& group : groups)
    for (auto o : synthetic::curve("all_reduce", group.ranks, 16,
                                   [&](double bytes) { return cluster.seconds(group, bytes); },
                                   {.spread = 0.01, .seed = ++seed})) {
      o.ranks.nodes = group.nodes;
      o.ranks.tier = group.nodes > 1 ? "inter" : "intra";
      all.push_back(o);
    }
  return fit(std::vector{synthetic::file(all)}, {.compact = true, .threads = 1}).coefficients;
}

Prediction on_nodes(const Coefficients& coefficients, const Group& group, std::int64_t bytes) {
  Query query{.operation = "all_reduce", .point = {{"bytes", bytes}}, .group = group.ranks};
  query.tier = "inter";
  query.nodes = group.nodes;
  return predict(coefficients, query).prediction.value();
}

/// Clusters of many kinds.
Cluster any_cluster(std::mt19937& engine) {
  const auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>{low, high}(engine);
  };
  Cluster cluster{.base = between(4, 12), .leaving = between(0, 12), .rank = between(0.2, 2)};
  cluster.rank_between = cluster.rank * between(0, 2);
  cluster.node = between(2, 12);
  cluster.between = between(20e3, 50e3);
  cluster.tree = engine() % 2 == 0;
  cluster.own_links = engine() % 2 == 0;
  return cluster;
}

/// The share of predictions that hold the time of the cluster, and their median half-width.
struct Score {
  double covered = 0, half_width = 0;
};

Score score(const std::vector<Group>& asked, int clusters) {
  std::mt19937 engine{11};
  std::vector<double> half_widths;
  int covered = 0;
  for (int i = 0; i < clusters; ++i) {
    const auto cluster = any_cluster(engine);
    const auto coefficients = fit_of(cluster, kMeasured, static_cast<unsigned>(engine()));
    for (const auto& group : asked)
      for (const std::int64_t bytes : {4096, 65536, 1 << 20, 1 << 24}) {
        const auto p = on_nodes(coefficients, group, bytes);
        const double truth = cluster.seconds(group, static_cast<double>(bytes));
        covered += p.lo <= truth && truth <= p.hi ? 1 : 0;
        half_widths.push_back(std::log(p.hi / p.seconds));
      }
  }
  std::ranges::sort(half_widths);
  return {static_cast<double>(covered) / static_cast<double>(half_widths.size()),
          half_widths[half_widths.size() / 2]};
}

TEST(RanksPerNode, IntervalsHoldClustersOfManyKinds) {
  // Four, two and one rank a node, where eight were measured; nodes as were measured and others.
  const auto found = score({{16, 4}, {32, 8}, {8, 4}, {16, 8}, {4, 4}, {16, 16}, {64, 16}}, 40);
  EXPECT_GE(found.covered, 0.9);
}

TEST(RanksPerNode, AsMeasuredIsNoWider) {
  const auto found = score({{24, 3}, {48, 6}}, 40);
  EXPECT_GE(found.covered, 0.85);
  EXPECT_LT(found.half_width, 0.15);
}

// Another group may have been measured at as many: the flag is of those that the answer leans on.
TEST(RanksPerNode, NamesTheGroupsThatWereNotMeasuredSo) {
  const auto coefficients = fit_of({}, {{2, 1}, {4, 1}, {8, 1}, {16, 2}, {32, 4}, {64, 16}}, 1);
  EXPECT_THAT(on_nodes(coefficients, {24, 6}, 1 << 20).flags,
              testing::Contains(testing::StartsWith(
                  "groups of 16, 32 were not measured at 4 ranks a node, but at 8: ")));
}

}  // namespace
}  // namespace moecal::calibration
