from numpy import ufunc

sigmoid: ufunc
softplus: ufunc
softplus_and_derivative: ufunc
softplus_and_sigmoid: ufunc
