// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/kernel_collector.hpp"

#include <algorithm>

#include "calibration/features.hpp"
#include "calibration/operation_work.hpp"

namespace moecal::interchange {
namespace {

bool is_known(const std::string& operation) {
  static const std::set<std::string> kKnown{"expert_gemm", "grouped_gemm", "memory_copy",
                                            "permute",     "unpermute",    "topk_gate"};
  // How many copies of a row cross the links is the library's choice, so an exchange's bytes are
  // not known here.
  return kKnown.contains(operation) ||
         (calibration::is_call_of_system(operation) && !calibration::is_expert_exchange(operation));
}

/// Work is known where the point has what the operation needs; a foreign benchmark's may not.
Work work_where_known(const Observation& o) {
  try {
    return is_known(o.operation) ? calibration::work_of(o.operation, o.point, o.dtypes) : Work{};
  } catch (const InvalidInput&) {
    return {};
  }
}

}  // namespace

Observation KernelCollector::start(int line, double seconds) const {
  auto o = Collector::start(line);
  o.samples_s = {seconds};
  o.backend = "cuda";
  o.library = {o.source.tool, "unknown", "unknown", 0};
  return o;
}

void KernelCollector::take(Observation o, const Device& device) {
  if (o.work == Work{}) o.work = work_where_known(o);
  const auto plain = environment(device.card, std::max(1, o.ranks.group / o.ranks.nodes));
  auto e = shared_;
  e.card = plain.card;
  e.system = plain.system;
  e.device_name = device.name;
  e.libraries[o.library.name] = o.library.runtime_version;
  Collector::take(std::move(o), e, device.card);
}

}  // namespace moecal::interchange
