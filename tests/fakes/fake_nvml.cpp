// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// A stand-in for libnvidia-ml.so.1 with one device, for tests. With MOECAL_FAKE_NVML_TRACE=FILE it
// replays a recorded trace, a row per reading: see bench/testing/nvml_trace.csv.
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

namespace {
constexpr int kSuccess = 0;
constexpr int kNotSupported = 3;
constexpr int kNotFound = 6;
int the_device = 0;

enum Column { sm_clock_mhz, power_mw, temperature_c, throttle_reasons, energy_mj };
using Row = std::array<unsigned long long, 5>;
std::vector<Row> trace;
std::size_t row = 0;

bool read_trace(const char* path) {
  trace.clear();
  row = 0;
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#' || line[0] == 's') continue;
    std::istringstream fields{line};
    Row values{};
    for (auto& value : values) {
      fields >> value;
      fields.ignore(std::numeric_limits<std::streamsize>::max(), ',');
    }
    trace.push_back(values);
  }
  return !trace.empty();
}

unsigned long long traced(Column column, unsigned long long otherwise) {
  return trace.empty() ? otherwise : trace[std::min(row, trace.size() - 1)][column];
}
}  // namespace

extern "C" {
// How often it was asked: a test looks these up.
int moecal_fake_nvml_lookups = 0;
int moecal_fake_nvml_energies = 0;

int nvmlInit_v2() {
  const char* path = std::getenv("MOECAL_FAKE_NVML_TRACE");
  return path == nullptr || read_trace(path) ? kSuccess : kNotFound;
}
int nvmlShutdown() { return kSuccess; }
int nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, int** device) {
  ++moecal_fake_nvml_lookups;
  *device = &the_device;
  return std::strcmp(bus_id, "0000:1b:00.0") == 0 ? kSuccess : kNotFound;
}
int nvmlDeviceGetClockInfo(int*, int type, unsigned* megahertz) {
  *megahertz = type == 1 ? static_cast<unsigned>(traced(sm_clock_mhz, 1700)) : 2600;
  return kSuccess;
}
int nvmlDeviceGetPowerUsage(int*, unsigned* milliwatts) {
  *milliwatts = static_cast<unsigned>(traced(power_mw, 650500));
  return kSuccess;
}
int nvmlDeviceGetEnforcedPowerLimit(int*, unsigned* milliwatts) {
  *milliwatts = 700000;
  return kSuccess;
}
int nvmlDeviceGetTemperature(int*, int, unsigned* celsius) {
  *celsius = static_cast<unsigned>(traced(temperature_c, 0));
  return trace.empty() ? kNotSupported : kSuccess;
}
int nvmlDeviceGetMaxClockInfo(int*, int type, unsigned* megahertz) {
  *megahertz = type == 1 ? 1980 : 2619;
  return kSuccess;
}
// Of the reading whose throttle reasons were asked for last.
int nvmlDeviceGetTotalEnergyConsumption(int*, unsigned long long* millijoules) {
  ++moecal_fake_nvml_energies;
  const auto next = row;
  row = next > 0 ? next - 1 : 0;
  *millijoules = traced(energy_mj, 0);
  row = next;
  return trace.empty() ? kNotSupported : kSuccess;
}
// Only the name older drivers have. What every reading asks last, but for the energy. With
// MOECAL_FAKE_NVML_HIDES_REASONS it is a shared device, which may not show them.
int nvmlDeviceGetCurrentClocksThrottleReasons(int*, unsigned long long* reasons) {
  *reasons = traced(throttle_reasons, 0x5);
  ++row;
  return std::getenv("MOECAL_FAKE_NVML_HIDES_REASONS") == nullptr ? kSuccess : kNotSupported;
}
int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  std::strncpy(version, "580.1", length);
  return kSuccess;
}
const char* nvmlErrorString(int) { return "no such device"; }
}
