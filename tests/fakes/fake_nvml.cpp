// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// A stand-in for libnvidia-ml.so.1 with one device, for the tests of runtime/nvml.cpp.
#include <cstring>

namespace {
constexpr int kSuccess = 0;
constexpr int kNotSupported = 3;
constexpr int kNotFound = 6;
int the_device = 0;
}  // namespace

extern "C" {
int nvmlInit_v2() { return kSuccess; }
int nvmlShutdown() { return kSuccess; }
int nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, int** device) {
  *device = &the_device;
  return std::strcmp(bus_id, "0000:1b:00.0") == 0 ? kSuccess : kNotFound;
}
int nvmlDeviceGetClockInfo(int*, int type, unsigned* megahertz) {
  *megahertz = type == 1 ? 1700 : 2600;
  return kSuccess;
}
int nvmlDeviceGetPowerUsage(int*, unsigned* milliwatts) {
  *milliwatts = 650500;
  return kSuccess;
}
int nvmlDeviceGetEnforcedPowerLimit(int*, unsigned* milliwatts) {
  *milliwatts = 700000;
  return kSuccess;
}
int nvmlDeviceGetTemperature(int*, int, unsigned*) { return kNotSupported; }
// Only the name older drivers have.
int nvmlDeviceGetCurrentClocksThrottleReasons(int*, unsigned long long* reasons) {
  *reasons = 0x5;
  return kSuccess;
}
int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  std::strncpy(version, "580.1", length);
  return kSuccess;
}
const char* nvmlErrorString(int) { return "no such device"; }
}
