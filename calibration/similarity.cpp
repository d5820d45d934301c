// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/similarity.hpp"

#include <cmath>
#include <numbers>

namespace moecal::calibration {
namespace {

/// How alike values at two places of a line are, from 1 to 0. Matern of order 1/2: they may jump,
/// as at a switch of protocol.
double rough(double doublings, double length) { return std::exp(-std::abs(doublings) / length); }

/// Matern of order 3/2: they bend, but do not jump.
double smooth(double doublings, double length) {
  const double r = std::numbers::sqrt3 * std::abs(doublings) / length;
  return (1 + r) * std::exp(-r);
}

double doublings(double a, double b) { return std::log2(std::max(a, 1.0) / std::max(b, 1.0)); }

bool same_group(const Conditions& a, const Conditions& b) {
  return a.group == b.group && a.tier == b.tier && a.concurrent_groups == b.concurrent_groups;
}

double transfer(const Place& a, const Place& b) {
  const double d = doublings(a.inputs.size, b.inputs.size);
  const bool operation = a.operation == b.operation;
  const bool group = same_group(a.conditions, b.conditions);
  const bool dtype = a.conditions.dtype == b.conditions.dtype;
  double sum = 1.0 * smooth(d, 8);
  if (operation) sum += 0.1 * smooth(d, 6);
  if (group) sum += 0.1 * smooth(d, 6);
  if (operation && group) sum += 0.03 * rough(d, 6);
  if (operation && dtype) sum += 0.003 * rough(d, 6);
  if (operation && a.conditions == b.conditions) sum += 0.003 * rough(d, 3);
  return sum;
}

double memory_bound(const Place& a, const Place& b) {
  const double d = doublings(a.inputs.size, b.inputs.size);
  double sum = 1.0 * smooth(d, 8);
  if (a.operation != b.operation) return sum;
  sum += 0.1 * smooth(d, 6);
  if (a.conditions == b.conditions) sum += 0.01 * rough(d, 3);
  return sum;
}

double gemm(const Place& a, const Place& b) {
  const double m = doublings(a.inputs.m, b.inputs.m);
  const double n = doublings(a.inputs.n, b.inputs.n);
  const double k = doublings(a.inputs.k, b.inputs.k);
  double sum = 0.3 * smooth(m, 12) * smooth(n, 12) * smooth(k, 12);
  if (a.operation == b.operation && a.conditions.dtype == b.conditions.dtype &&
      a.conditions.scale_mode == b.conditions.scale_mode) {
    sum += 0.05 * smooth(m, 4) * smooth(n, 6) * smooth(k, 6);
    sum += 0.005 * rough(m, 2) * rough(n, 3) * rough(k, 3);
  }
  return sum;
}

}  // namespace

double covariance(const Place& a, const Place& b) {
  if (a.family != b.family) return 0;
  switch (a.family) {
    case Family::transfer:
      return transfer(a, b);
    case Family::gemm:
      return gemm(a, b);
    case Family::grouped:
    case Family::exchange:
    case Family::memory_bound:
      break;
  }
  return memory_bound(a, b);
}

}  // namespace moecal::calibration
