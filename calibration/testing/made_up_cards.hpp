// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "calibration/transfer.hpp"

/// Cards whose costs are known by construction: what a transfer gets right and wrong follows.
namespace moecal::calibration::synthetic {

/// Figures of an invented card; rates in units of 1e12.
struct Figures {
  double peak = 100, memory = 1, link = 0.1;
  std::string device_class = "made";
};

inline Card card(const std::string& id, const Figures& figures) {
  Card card;
  card.id = card.name = id;
  card.device_class = figures.device_class;
  card.peak["bf16"] = {FlopsPerSecond{1e12 * figures.peak}, "test"};
  card.memory_bandwidth = Nominal<BytesPerSecond>{BytesPerSecond{1e12 * figures.memory}, "test"};
  card.link = {"test", Nominal<BytesPerSecond>{BytesPerSecond{1e12 * figures.link}, "test"}};
  card.devices_per_node = Nominal<int>{8, "test"};
  return card;
}

inline Model model_of(const Card& card, const std::string& operation, const std::string& form) {
  Model model;
  model.operation = operation;
  model.card = card.id;
  model.system = card.id + "-8";
  model.conditions.dtype = "bf16";
  model.conditions.implementation = "own";
  model.form = form;
  model.id = operation + "/" + card.id;
  model.provenance = "imported";
  model.residual_quantiles = {{0, 0, 0.01, 100}};
  return model;
}

/// A GEMM that reaches 1/e1 of the peak and 1/e2 of the memory bandwidth, 2 us after its launch.
inline Model gemm(const Card& card, double e1, double e2) {
  auto model = model_of(card, "expert_gemm", "roofline");
  model.parameters = {{"t0", 2e-6, "s", 0},
                      {"e1", e1, "1", 0},
                      {"e2", e2, "1", 0},
                      {"nominal_flops", card.dense_peak("bf16")->value(), "FLOP/s", 0},
                      {"nominal_bandwidth", card.memory_bandwidth->value.value(), "B/s", 0}};
  model.validity = {{"m", {1, 4096}}, {"n", {512, 8192}}, {"k", {512, 8192}}};
  return model;
}

inline Model all_reduce(const Card& card, double latency, double share, int group = 8) {
  auto model = model_of(card, "all_reduce", "segmented_latency_bandwidth");
  model.conditions.group = group;
  model.parameters = {
      {"latency", latency, "s", 0},
      {"inverse_bandwidth_1", 1 / (share * card.link.rate->value.value()), "s/B", 0},
      {"last_rate_spread", 0, "1", 0}};
  model.validity = {{"bytes", {512, 1 << 28}}};
  return model;
}

inline Model copy(const Card& card, double latency, double share) {
  auto model = model_of(card, "memory_copy", "latency_bandwidth");
  model.parameters = {{"latency", latency, "s", 0},
                      {"bandwidth", share * card.memory_bandwidth->value.value(), "B/s", 0}};
  model.validity = {{"bytes", {4096, 1 << 28}}};
  return model;
}

inline const Card kOne = card("one", {});
inline const Card kTwo = card("two", {.peak = 300, .memory = 2, .link = 0.3});
inline const Card kTarget = card("target", {.peak = 200, .memory = 4, .link = 0.2});

/// Both cards reach the same shares.
inline std::vector<Donor> twins() {
  return {{kOne, {gemm(kOne, 1.25, 1.5), all_reduce(kOne, 1e-5, 0.8), copy(kOne, 3e-6, 0.9)}},
          {kTwo, {gemm(kTwo, 1.25, 1.5), all_reduce(kTwo, 1e-5, 0.8), copy(kTwo, 3e-6, 0.9)}}};
}

}  // namespace moecal::calibration::synthetic
