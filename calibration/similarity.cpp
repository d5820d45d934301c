// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/similarity.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/collective.hpp"

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

/// A size as the place on a line where distance says how much may change between two: most where
/// latency gives way to rate and the library to another protocol, around 4 MiB, little where time
/// is all latency or in proportion to size. The integral of 0.4 + 0.8 exp(-((x - 22) / 3)^2 / 2)
/// over x, the size's doublings.
double stretched(double bytes) {
  constexpr double kCentre = 22, kWidth = 3, kOutside = 0.4, kInside = 0.8;
  const double doublings = std::log2(std::max(bytes, 1.0));
  return kOutside * doublings +
         kInside * kWidth * std::sqrt(std::numbers::pi / 2) *
             std::erf((doublings - kCentre) / (kWidth * std::numbers::sqrt2));
}

/// From 1 for one group to 0 for groups of different kinds; less the more doublings lie between.
double group_likeness(const Conditions& a, const Conditions& b) {
  if (a.tier != b.tier || a.concurrent_groups != b.concurrent_groups) return 0;
  return rough(doublings(a.group, b.group), 4);
}

bool alike_but_dtype(Conditions a, const Conditions& b) {
  a.dtype = b.dtype;
  return a == b;
}

/// What only a sum of elements shares with others of its dtype: a copy moves bytes, whatever they
/// mean.
double of_dtype(const Place& a, const Place& b, double d) {
  if (!adds_elements(a.operation) || !adds_elements(b.operation) ||
      a.conditions.dtype != b.conditions.dtype)
    return 0;
  const bool same = a.operation == b.operation && a.conditions == b.conditions;
  return 0.002 * smooth(d, 6) + (same ? 0.001 * rough(d, 3) : 0);
}

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

double covariance_of_curves(const Place& a, const Place& b) {
  const double d = stretched(a.inputs.size) - stretched(b.inputs.size);
  const double group = group_likeness(a.conditions, b.conditions);
  double sum = 1.0 * smooth(d, 8) + 0.1 * group * smooth(d, 6) + of_dtype(a, b, d);
  if (a.operation != b.operation) return sum;
  sum += 0.1 * smooth(d, 6) + group * (0.05 * smooth(d, 6) + 0.01 * rough(d, 3));
  if (group < 1) return sum;
  sum += 0.02 * rough(d, 6);
  return alike_but_dtype(a.conditions, b.conditions) ? sum + 0.003 * rough(d, 3) : sum;
}

}  // namespace moecal::calibration
